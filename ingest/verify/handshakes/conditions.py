"""What a request must hold to be a handshake, and what its sender must know to be answered."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from ingest.verify.handshakes.reply import Keyed, Place, Reply
from ingest.verify.places import Atom, Reading

Kind = Literal["present", "absent", "matching", "equal", "known"]
_NOTHING: Final = (b"", b"{}", b"[]")


@dataclass(frozen=True, slots=True)
class Condition:
    """One place and what stands there.

    ``"*"``: anything that is short enough to echo; ``""``: nothing; ``"/.../"``: what this pattern
    matches whole; text with braces: what only the source and the provider know; else the text.
    """

    place: Place
    kind: Kind
    text: str = ""
    pattern: re.Pattern[str] | None = None
    wanted: Reply | None = None

    @classmethod
    def parse(cls, place: str, value: str) -> Condition:
        """Compile one line of ``when``. Raises ValueError that says what is wrong."""
        parsed = Place.parse(place)
        if value in ("*", ""):
            return cls(parsed, "present" if value else "absent")
        if len(value) > 1 and value[0] == value[-1] == "/":
            return cls(parsed, "matching", pattern=re.compile(value[1:-1], re.ASCII))
        if "{" in value:
            return cls(parsed, "known", wanted=Reply.parse(value))
        return cls(parsed, "equal", value)

    @property
    def marks(self) -> tuple[bytes, ...]:
        """Bytes that are in every body where this holds: they spare events a second parse."""
        place = self.place
        if self.kind == "absent" or len(place.atoms) > 1 or place.atoms[0].place != "body":
            return ()
        return (place.atoms[0].path[-1].encode(), self.text.encode())

    def fits(self, reading: Reading) -> bool:
        """Whether the request has the form of this handshake.

        A GET that asks without the token of an option is refused like one with a wrong token; a
        POST without it is an event.
        """
        if self.kind == "absent":
            return not any(_is_there(atom, reading) for atom in self.place.atoms)
        if self.wanted is not None and (
            self.wanted.optional or (reading.request.method != "POST" and self.wanted.is_of_options)
        ):
            return True
        value = self.place.read(reading)
        if not value:
            return False
        if self.kind == "equal":
            return value == self.text
        return self.pattern is None or self.pattern.fullmatch(value) is not None

    def holds(self, reading: Reading, keyed: Keyed | None, *, assumed: bool) -> bool:
        """Whether the sender knows what it should. ``assumed``: of what nobody configured, yes."""
        if self.wanted is None:
            return True
        wanted, value = self.wanted.render(reading, keyed), self.place.read(reading)
        if not wanted:
            return self.wanted.optional or assumed
        return hmac.compare_digest(_bytes(wanted), _bytes(value or ""))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_there(atom: Atom, reading: Reading) -> bool:
    if atom.place == "header":
        return bool(reading.request.all(atom.name))
    return reading.read(atom) is not None


def has_only(body: bytes, names: frozenset[str]) -> bool:
    """Whether a body is a JSON object with no other names than these."""
    document = _parsed(body)
    return isinstance(document, dict) and names.issuperset(document)


def is_single(body: bytes) -> bool:
    """Whether a body is a JSON list of one: what else came with it would be lost."""
    document = _parsed(body)
    return isinstance(document, list) and len(document) == 1


def are_empty(reading: Reading, atoms: Sequence[Atom]) -> bool:
    """Whether each place is there and holds nothing: an empty list, object or text."""
    return all(_is_empty(reading, atom) for atom in atoms)


def _is_empty(reading: Reading, atom: Atom) -> bool:
    if atom.place != "body":
        return reading.read(atom) in ("[]", "{}")
    if not atom.path:
        return reading.request.body.strip() in _NOTHING
    return parsed_at(reading.request.body, atom) in ([], {}, "")


def parsed_at(body: bytes, atom: Atom) -> Any:
    """Return what stands at a path of a JSON body, of whatever kind; None where nothing does."""
    value = _parsed(body)
    for step in atom.path:
        if isinstance(value, list):
            value = dict(zip(map(str, range(len(value))), value, strict=True))
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
