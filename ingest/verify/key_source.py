"""Where an entry says that its public keys are: the words of ``key_source``."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from ingest.verify.places import Atom, Reading

_PART: Final = re.compile(r"\{([^{}]+)\}")


def _atom(value: object) -> object:
    return Atom.parse(value) if isinstance(value, str) else value


class KeySource(BaseModel):
    """Public keys that are fetched, or (``x5c``) come with the token under a pinned root.

    ``url`` may hold ``{option:x}``, which the operator wrote, and ``{header:X}``, which the sender
    did; ``place`` is where a request names the whole URL. What a sender says must be inside
    ``hosts`` (``sns.*.amazonaws.com``: a label a star) and ``path`` (``/*.pem``: one name).
    ``field`` is the dotted path to the key in a JSON document; ``key_id`` is where the request
    names the key, if not in the token's header.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    kind: Literal["jwks", "pem", "x509", "x5c"]
    url: str | None = None
    place: Annotated[Atom, BeforeValidator(_atom)] | None = None
    hosts: tuple[str, ...] = ()
    path: str | None = None
    field: str | None = None
    key_id: Annotated[Atom, BeforeValidator(_atom)] | None = None
    root_sha256: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "x5c":
            if not re.fullmatch("[0-9a-f]{64}", self.root_sha256 or ""):
                raise ValueError("x5c needs root_sha256, the SHA-256 of the root that is trusted")
            return self
        if (self.url is None) == (self.place is None):
            raise ValueError("the keys are at a url or where a place of the request says; name one")
        said_by_sender = self.place is not None or any(
            Atom.parse(part).place != "option" for part in _PART.findall(self.url or "")
        )
        if said_by_sender and not self.hosts:
            raise ValueError("a request names the URL of the key, so hosts must pin it")
        return self

    @property
    def options(self) -> tuple[str, ...]:
        """The options that the URL is made of."""
        atoms = (Atom.parse(part) for part in _PART.findall(self.url or ""))
        return tuple(atom.name for atom in atoms if atom.place == "option")

    def locate(self, reading: Reading) -> str | None:
        """The URL for this request; None where something that it is made of is absent."""
        if self.place is not None:
            return reading.read(self.place)
        parts = {part: reading.read(Atom.parse(part)) for part in _PART.findall(self.url or "")}
        if None in parts.values():
            return None
        return _PART.sub(lambda found: parts[found[1]] or "", self.url or "")

    def pins(self, url: str) -> tuple[str, ...]:
        """The hosts that ``url`` may name: the entry's, or its own where no sender wrote it."""
        return self.hosts or (urlsplit(url).netloc.lower().removesuffix(":443"),)
