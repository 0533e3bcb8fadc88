"""Real events of each provider, for ``hookkeeper send`` and for trying things out.

One JSON file an event, with its source and licence in it. ``headers`` holds what the provider
sends beside signature, type and id; those are made by ``ingest.signing``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

import orjson

from ingest.errors import NotFound

_SUFFIX: Final = ".json"
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Sample:
    """One event, ready to be signed. ``body`` is the bytes to post."""

    event_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


def providers() -> list[str]:
    """Name the providers that there are samples of, sorted."""
    folders = resources.files("ingest.samples").iterdir()
    return sorted(folder.name for folder in folders if samples(folder.name))


def samples(provider: str) -> list[str]:
    """Name the samples of a provider, sorted; [] where there are none."""
    return list(_names(provider))


@cache
def _names(provider: str) -> tuple[str, ...]:
    folder = _folder(provider)
    if folder is None:
        return ()
    files = (file.name for file in folder.iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)))


def sample(provider: str, name: str) -> Sample:
    """Read one sample by its name or its type, of which it has all but the odd characters.

    Raises NotFound, which lists those there are.
    """
    wanted = _ODD.sub(".", name)
    if wanted not in _names(provider):
        known = ", ".join(_names(provider)) or "none"
        raise NotFound(f"there is no sample {name!r} of {provider}; there are: {known}")
    return _read(provider, wanted)


@cache
def _read(provider: str, wanted: str) -> Sample:
    folder = resources.files("ingest.samples").joinpath(provider)
    row = orjson.loads(folder.joinpath(wanted + _SUFFIX).read_bytes())
    body = row["body"]
    return Sample(
        event_type=row["event_type"],
        # A form body is kept as text; JSON is sent compactly, as the providers do.
        body=body.encode() if isinstance(body, str) else orjson.dumps(body),
        headers=tuple((name, value) for name, value in row["headers"]),
    )


def _folder(provider: str) -> Traversable | None:
    if not provider.replace("_", "").isalnum():
        return None  # no slug of the catalogue, and so no path to look at
    folder = resources.files("ingest.samples").joinpath(provider)
    return folder if folder.is_dir() else None
