"""The providers that Hookkeeper knows: every ``*.toml`` of this folder, one table a provider.

``handshakes.toml`` adds what a provider asks before it sends. Reading the files takes some 50
ms; an entry is compiled when a source uses it.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

from ingest.verify.provider import Provider

Row = Mapping[str, Any]

#: Words of a table that adds to another one of its slug.
_ADDED = frozenset({"handshakes", "options"})


class Catalogue(Mapping[str, Provider]):
    """Every provider by slug, compiled when it is asked for."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._rows = MappingProxyType(dict(sorted(rows.items())))
        self._compiled: dict[str, Provider] = {}

    def __getitem__(self, slug: str) -> Provider:
        """Raises KeyError for an unknown slug, and pydantic's error for an entry that is wrong."""
        if slug not in self._compiled:
            self._compiled[slug] = Provider.model_validate({"slug": slug, **self._rows[slug]})
        return self._compiled[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, slug: object) -> bool:
        return slug in self._rows


@functools.cache
def load_catalogue() -> Catalogue:
    """Read what ships with the package, once a process."""
    files = resources.files(__name__).iterdir()
    texts = {file.name: file.read_text("utf-8") for file in files if file.name.endswith(".toml")}
    return parse_catalogue(*(texts[name] for name in sorted(texts)))


def parse_catalogue(*texts: str) -> Catalogue:
    """Read providers from TOML. Raises ValueError: TOML's own, or that a slug came twice."""
    rows: dict[str, Row] = {}
    added: list[tuple[str, Row]] = []
    for text in texts:
        for slug, row in tomllib.loads(text).items():
            if row.keys() <= _ADDED:
                added.append((slug, row))
            elif slug in rows:
                raise ValueError(f"the catalogue has {slug!r} twice")
            else:
                rows[slug] = row
    for slug, row in added:
        rows[slug] = _with(rows[slug], row) if slug in rows else row
    return Catalogue(rows)


def _with(row: Row, added: Row) -> Row:
    handshakes = [*row.get("handshakes", ()), *added.get("handshakes", ())]
    options = {**row.get("options", {}), **added.get("options", {})}
    return {**row, "handshakes": handshakes, "options": options}
