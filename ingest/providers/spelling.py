"""Compiled templates, written as an entry writes them."""

import json
from collections.abc import Iterable
from typing import Any

from ingest.verify.content import Content, Part
from ingest.verify.extract import Choice, Extractor, Group, Piece
from ingest.verify.handshakes.reply import Call, Document, Place, Reply
from ingest.verify.places import WHOLE_BODY, Atom


def atom(one: Atom) -> str:
    """``header:x-event``, ``body:data.id``."""
    if one == WHOLE_BODY:
        return "body"
    name = ".".join((one.name, *one.path)) if one.name else ".".join(one.path)
    return f"{one.place}:{name}"


def place(one: Place) -> str:
    """``header:x-hook-challenge|body:challenge``."""
    return "|".join(map(atom, one.atoms))


def content(template: Content) -> str:
    r"""``v0:{ts}:{body}``; a line's end is shown as ``\n``."""
    return "".join(map(_content_piece, template.pieces)).replace("\n", "\\n")


def _content_piece(piece: bytes | Part) -> str:
    if isinstance(piece, bytes):
        return piece.decode("utf-8", "replace").replace("{", "{{").replace("}", "}}")
    return f"{{{piece.name}{'?' if piece.optional else ''}}}"


def extractor(template: Extractor) -> str:
    """``body:type``; of several templates the first that is complete counts."""
    return ", else ".join(_pieces(pieces) for pieces in template.templates)


def _pieces(pieces: Iterable[Piece]) -> str:
    texts = list(pieces)
    if len(texts) == 1 and isinstance(texts[0], Choice) and len(texts[0].atoms) == 1:
        return atom(texts[0].atoms[0])
    return "".join(map(_piece, texts))


def _piece(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case Choice():
            return "{" + "|".join(map(atom, piece.atoms)) + "}"
        case Group():
            return "[" + "".join(map(_piece, piece.pieces)) + "]"


def reply(template: Reply) -> str:
    """``{header:x-hook-secret}``, ``{hmac_sha256_hex(query:crc_token)}``."""
    return "".join(map(_reply_piece, template.pieces))


def document(one: Document) -> str:
    """The JSON that is answered, its templates as text."""
    if one.value == WHOLE_BODY:
        return "{body}"
    return json.dumps(one.value, default=_templated, ensure_ascii=False)


def _templated(value: Any) -> str:
    return reply(value)  # nothing else in a document is unknown to JSON


def _reply_piece(piece: str | Place | Call) -> str:
    match piece:
        case str():
            return piece
        case Place():
            return f"{{{place(piece)}}}"
        case Call():
            name = getattr(piece.make, "__name__", "made").removeprefix("_")
            return f"{{{name}({', '.join(map(place, piece.places))})}}"
