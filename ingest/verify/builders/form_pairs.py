"""A URL-encoded form, or a query, as the pairs of bytes that its sender signed."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

_MOST_PAIRS: Final = 1_000  # of a form or a query: more is not a webhook

Pairs = list[tuple[bytes, bytes]]


def form_pairs(encoded: bytes) -> Pairs | None:
    """Decode ``a=1&b=`` in the order of the wire; None for too many pairs. Never raises.

    Bytes, not text: names and values that are no UTF-8 stay what was signed. UTF-8 sorts alike
    as bytes and as code points.
    """
    parts = encoded.split(b"&", _MOST_PAIRS)
    if len(parts) > _MOST_PAIRS:
        return None
    return [_pair(part) for part in parts if part]


def _pair(part: bytes) -> tuple[bytes, bytes]:
    name, _, value = part.partition(b"=")
    return _decoded(name), _decoded(value)


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
