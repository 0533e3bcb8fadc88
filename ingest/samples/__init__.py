"""Real events of each provider, for ``hookkeeper send`` and for trying things out.

One JSON file an event, with its source and licence in it. ``headers`` holds what the provider
sends beside signature, type and id; those are made by ``ingest.verify.sign``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

import orjson

from ingest.errors import NotFound

_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True)
class Sample:
    """One event, ready to be signed. ``body`` is the bytes to post."""

    event_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


def samples(provider: str) -> list[str]:
    """Name the samples of a provider, sorted; [] where there are none."""
    folder = _folder(provider)
    if folder is None:
        return []
    files = (file.name for file in folder.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


def sample(provider: str, name: str) -> Sample:
    """Read one sample by its name or, with dots for slashes, its type. Raises NotFound."""
    wanted = name.replace("/", ".")
    folder = _folder(provider)
    if folder is None or wanted not in samples(provider):
        known = ", ".join(samples(provider)) or "none"
        raise NotFound(f"there is no sample {name!r} of {provider}; there are: {known}")
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
