"""Reads the catalogue that ships with the package."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

from ingest.verify.provider import Provider


@functools.cache
def load_catalogue() -> Mapping[str, Provider]:
    """Every provider by slug, compiled. The file is parsed once a process."""
    text = resources.files("ingest.verify").joinpath("catalogue.toml").read_text("utf-8")
    return parse_catalogue(text)


def parse_catalogue(text: str) -> Mapping[str, Provider]:
    """Compile providers from TOML, one table each. Raises ValueError (TOML's or pydantic's)."""
    rows = tomllib.loads(text)
    return MappingProxyType(
        {slug: Provider.model_validate({"slug": slug, **row}) for slug, row in rows.items()}
    )
