"""Makes text from outside fit for a column, a log line and a terminal."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

LONGEST: Final = 255  # characters, of an event type or a provider's event id
_UNFIT: Final = frozenset({"Cc", "Cs"})  # control characters (with NUL) and lone surrogates


def clean(text: str) -> str:
    """Without control characters and lone surrogates, at most 255 characters."""
    if len(text) <= LONGEST and text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if unicodedata.category(c) not in _UNFIT)[:LONGEST]


def clean_id(text: str) -> str:
    """As ``clean``; ids that differ still differ: a changed one ends in ``~`` and its SHA-256.

    Otherwise two long ids with the same beginning would pass for one event, and one be lost.
    """
    cleaned = clean(text)
    if cleaned == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{cleaned[: LONGEST - len(digest) - 1]}~{digest}"
