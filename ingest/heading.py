"""What a request says before its body: one pass over the headers, nothing kept in a framework."""

import itertools
from typing import NamedTuple

from starlette.types import Scope

from ingest.framing import BYTES_LIMIT, HEADERS_LIMIT
from ingest.trace import trace_id

_CONTENT_TYPE_LIMIT = 255


class Heading(NamedTuple):
    """The head of a request. ``headers`` keep order and repetitions, values latin-1 decoded.

    ``url`` is the public one where it is configured, else as the Host header says. ``size`` is
    that of all names and values with the URL, in bytes.
    """

    headers: tuple[tuple[str, str], ...]
    url: str
    query: str
    content_type: str
    content_length: int | None
    trace_id: str
    size: int

    @property
    def too_large(self) -> bool:
        """Whether the head alone is more than any honest sender needs."""
        return len(self.headers) > HEADERS_LIMIT or self.size > BYTES_LIMIT


def read_heading(scope: Scope, origin: str, fresh_trace_id: str) -> Heading:
    """Read an ASGI scope. ``origin``: scheme and authority as senders know them."""
    raw = scope["headers"]
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    first = dict(reversed(headers))  # of a header that came twice, the first value
    size = len(b"".join(itertools.chain.from_iterable(raw)))
    path: str = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query: str = scope["query_string"].decode("latin-1")
    length = first.get("content-length", "")
    return Heading(
        headers=tuple(headers),
        url=f"{origin}{path}?{query}" if query else origin + path,
        query=query,
        content_type=_printable(first.get("content-type", "")),
        content_length=int(length) if length.isascii() and length.isdigit() else None,
        trace_id=trace_id(first.get("traceparent"), fresh_trace_id),
        size=size + len(path) + len(query),
    )


def _printable(text: str) -> str:
    """Derived text is cleaned; the header itself is kept as it came."""
    if not text.isprintable():
        text = "".join(character for character in text if character.isprintable())
    return text[:_CONTENT_TYPE_LIMIT]
