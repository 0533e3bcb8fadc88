"""Headers as they are kept: one text of JSON pairs, in their order, repetitions included.

The receiver spells them, once: as a text they are a sixth of the work for everyone who passes them
on or writes them.
"""

import orjson


def headers_text(headers: tuple[tuple[str, str], ...]) -> str:
    """Spell headers as JSON pairs. Raises UnicodeEncodeError for a lone surrogate."""
    try:
        return orjson.dumps(headers).decode()
    except orjson.JSONEncodeError:
        for name, value in headers:
            f"{name}{value}".encode()
        raise


def read_headers(text: str) -> tuple[tuple[str, str], ...]:
    """Read what ``headers_text`` wrote."""
    return tuple(map(tuple, orjson.loads(text)))
