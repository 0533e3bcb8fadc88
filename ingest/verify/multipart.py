"""The text fields of a multipart/form-data body (RFC 7578), as Dropbox Sign sends its events.

The boundary is read from the body's own first line: Content-Type is signed by nobody. Strict:
anything out of shape is no form at all. Files are fields without text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_FIRST_LINE: Final = re.compile(rb"(--[\x21-\x7e]{1,200})\r\n")
_NAME: Final = re.compile(rb'content-disposition: *form-data; *name="([^"\r\n]*)"', re.IGNORECASE)
_FILE: Final = re.compile(rb"\bfilename\*?=", re.IGNORECASE)


def multipart_fields(body: bytes, most: int) -> Mapping[str, list[str]] | None:
    """Every field's values by name; None where the body is no such form, or has more fields."""
    first = _FIRST_LINE.match(body)
    if first is None:
        return None
    head, *parts = (b"\r\n" + body).split(b"\r\n" + first[1])
    if head or len(parts) > most + 1 or not parts or parts[-1].rstrip() != b"--":
        return None
    fields: dict[str, list[str]] = {}
    for part in parts[:-1]:
        if not part.startswith(b"\r\n"):
            return None
        headers, blank, value = part[2:].partition(b"\r\n\r\n")
        name = _NAME.search(headers)
        if not blank or name is None:
            return None
        if not _FILE.search(headers):
            fields.setdefault(name[1].decode("latin-1"), []).append(_text(value))
    return fields


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
