"""Inflates a body that its sender compressed after signing it (Stream). Bounded."""

from __future__ import annotations

import zlib
from typing import Final

_GZIP: Final = b"\x1f\x8b"
_MOST_BYTES: Final = 100_000_000  # a bomb ends here; bodies are capped at a tenth before
_GZIP_WINDOW: Final = 31


def inflated(body: bytes) -> bytes | None:
    """Return the body without gzip, itself if it has none, None where it is broken or too large."""
    if not body.startswith(_GZIP):
        return body
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = stream.decompress(body, _MOST_BYTES)
    except zlib.error:
        return None
    return plain if stream.eof and not stream.unused_data else None
