"""Templates of what is answered: text with places and functions of places in braces.

``{query:hub.challenge}``, ``{option:public_key}``, ``{header:X|body:x}`` (the first that is there),
``{option:topic?}`` ("" where it is absent), ``{hmac_sha256_hex(body:payload.plainToken)}`` (keyed
by the source's secret; arguments are joined).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ingest.verify.handshakes.sealing import open_wecom
from ingest.verify.places import WHOLE_BODY, Atom, Reading

#: Characters; Slack's challenge has 52. Nothing longer that a sender wrote is echoed.
LONGEST_ECHO: Final = 1_024
_TOKEN: Final = re.compile(r"\{([^{}]*)\}|([^{}]+)|(.)", re.DOTALL)
_CALL: Final = re.compile(r"(\w+)\((.*)\)", re.ASCII)
#: What is signed for a stranger must be no message that its provider would sign: neither JSON nor
#: ``v0:time:body``. Else whoever asks for a challenge's digest has forged an event.
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_.~+/-]+={0,2}", re.ASCII)
_SIGNED_CHALLENGE: Final = re.compile(_CHALLENGE.pattern.encode())


@dataclass(frozen=True, slots=True)
class Keyed:
    """A secret of the source as the provider shows it, and the key that it stands for."""

    shown: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Alternatives for one place; the first that is present counts."""

    atoms: tuple[Atom, ...]
    optional: bool

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``a|b``, and ``?`` behind it. Raises ValueError for what is no place."""
        named = text.strip().removesuffix("?")
        optional = text.strip().endswith("?")
        return cls(tuple(Atom.parse(each) for each in named.split("|")), optional)

    def read(self, reading: Reading) -> str | None:
        """Return the text there, "" where it may be absent, or None."""
        for atom in self.atoms:
            value = reading.read(atom)
            if value is not None:
                own = atom.place == "option"
                return value if own or len(value) <= LONGEST_ECHO else None
        return "" if self.optional else None


@dataclass(frozen=True, slots=True)
class Call:
    """A function of places."""

    make: Callable[[Sequence[str], Keyed | None], str | None]
    places: tuple[Place, ...]

    def read(self, reading: Reading, keyed: Keyed | None) -> str | None:
        """Apply it; None where a place or the secret that it needs is absent."""
        values = [place.read(reading) for place in self.places]
        present = [value for value in values if value is not None]
        return self.make(present, keyed) if len(present) == len(values) else None


@dataclass(frozen=True, slots=True)
class Reply:
    """A compiled template of text."""

    pieces: tuple[str | Place | Call, ...]

    @classmethod
    def parse(cls, source: str | Reply) -> Reply:
        """Compile. Raises ValueError that says what is wrong."""
        if isinstance(source, Reply):
            return source
        pieces: list[str | Place | Call] = []
        for inside, literal, stray in _TOKEN.findall(source):
            if stray:
                raise ValueError(f"braces do not pair up in {source!r}")
            pieces.append(literal or _piece(inside))
        return cls(tuple(pieces))

    @property
    def optional(self) -> bool:
        """Whether it is one place that may be absent."""
        return any(isinstance(piece, Place) and piece.optional for piece in self.pieces)

    @property
    def is_keyed(self) -> bool:
        """Whether the secret signs a challenge in it."""
        return any(isinstance(piece, Call) and piece.make in _KEYED for piece in self.pieces)

    @property
    def is_of_options(self) -> bool:
        """Whether it is made of the source's options, and of nothing else."""
        places = [piece for piece in self.pieces if isinstance(piece, Place)]
        whole = len(places) == len(self.pieces)
        return whole and all(atom.place == "option" for atom in self.atoms)

    @property
    def atoms(self) -> frozenset[Atom]:
        """Every place that it may read."""
        places = [piece for piece in self.pieces if isinstance(piece, Place)]
        for piece in self.pieces:
            places += piece.places if isinstance(piece, Call) else ()
        return frozenset(atom for place in places for atom in place.atoms)

    def render(self, reading: Reading, keyed: Keyed | None) -> str | None:
        """Build the text; None where something that it is made of is absent. Never raises."""
        parts: list[str] = []
        for piece in self.pieces:
            match piece:
                case str():
                    part: str | None = piece
                case Place():
                    part = piece.read(reading)
                case Call():
                    part = piece.read(reading, keyed)
            if part is None:
                return None
            parts.append(part)
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON value whose texts are templates; or, for ``"{body}"``, the body as it came."""

    value: Any

    @classmethod
    def parse(cls, source: Any) -> Document:
        """Compile. Raises ValueError that says what is wrong."""
        if isinstance(source, Document):
            return source
        return cls(WHOLE_BODY if source == "{body}" else _compiled(source))

    def render(self, reading: Reading, keyed: Keyed | None) -> bytes | None:
        """Build the bytes; None where something is absent, or is no text of JSON. Never raises."""
        if self.value == WHOLE_BODY:
            return _whole(reading.request.body)
        try:
            return orjson.dumps(_filled(self.value, reading, keyed))
        except (LookupError, orjson.JSONEncodeError):
            return None


def is_challenge(signed: bytes) -> bool:
    """Whether it may be what a handshake signed for a stranger, who could send it as an event."""
    return len(signed) <= LONGEST_ECHO and _SIGNED_CHALLENGE.fullmatch(signed) is not None


def _whole(body: bytes) -> bytes | None:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return body if len(body) <= LONGEST_ECHO else None


def _compiled(value: Any) -> Any:
    match value:
        case str():
            return Reply.parse(value)
        case Mapping():
            return {name: _compiled(each) for name, each in value.items()}
        case list():
            return [_compiled(each) for each in value]
        case _:
            return value


def _filled(value: Any, reading: Reading, keyed: Keyed | None) -> Any:
    match value:
        case Reply():
            text = value.render(reading, keyed)
            if text is None:
                raise LookupError
            return text
        case dict():
            return {name: _filled(each, reading, keyed) for name, each in value.items()}
        case list():
            return [_filled(each, reading, keyed) for each in value]
        case _:
            return value


def _piece(text: str) -> Place | Call:
    found = _CALL.fullmatch(text.strip())
    if found is None:
        return Place.parse(text)
    name, arguments = found.groups()
    if name not in _FUNCTIONS:
        known = ", ".join(sorted(_FUNCTIONS))
        raise ValueError(f"{name!r} is no function of a reply; there are {known}")
    return Call(_FUNCTIONS[name], tuple(Place.parse(each) for each in arguments.split(",")))


def _hmac(algorithm: str, values: Sequence[str], keyed: Keyed | None) -> bytes | None:
    text = "".join(values)
    if keyed is None or not _CHALLENGE.fullmatch(text):
        return None
    return hmac.digest(keyed.key, text.encode(), algorithm)


def _hmac_sha256_hex(values: Sequence[str], keyed: Keyed | None) -> str | None:
    made = _hmac("sha256", values, keyed)
    return None if made is None else made.hex()


def _hmac_sha256_base64(values: Sequence[str], keyed: Keyed | None) -> str | None:
    made = _hmac("sha256", values, keyed)
    return None if made is None else base64.b64encode(made).decode()


def _hmac_sha1_hex(values: Sequence[str], keyed: Keyed | None) -> str | None:
    made = _hmac("sha1", values, keyed)
    return None if made is None else made.hex()


def _sha256_hex(values: Sequence[str], _keyed: Keyed | None) -> str:
    return hashlib.sha256("".join(values).encode("utf-8", "surrogatepass")).hexdigest()


def _wechat_signature(values: Sequence[str], keyed: Keyed | None) -> str | None:
    """SHA-1 of the token and the values, sorted (developers.weixin.qq.com, "接入指南")."""
    if keyed is None:
        return None
    parts = [keyed.shown, *(value.encode("utf-8", "surrogatepass") for value in values)]
    return hashlib.sha1(b"".join(sorted(parts)), usedforsecurity=False).hexdigest()


def _wecom_opened(values: Sequence[str], _keyed: Keyed | None) -> str | None:
    sealed, aes_key, receiver = values
    return open_wecom(sealed, aes_key, receiver)


_KEYED: Final = frozenset({_hmac_sha256_hex, _hmac_sha256_base64, _hmac_sha1_hex})
_FUNCTIONS: Final[Mapping[str, Callable[[Sequence[str], Keyed | None], str | None]]] = {
    "hmac_sha256_hex": _hmac_sha256_hex,
    "hmac_sha256_base64": _hmac_sha256_base64,
    "hmac_sha1_hex": _hmac_sha1_hex,
    "sha256_hex": _sha256_hex,
    "wechat_signature": _wechat_signature,
    "wecom_opened": _wecom_opened,
}
