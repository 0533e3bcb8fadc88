"""What a request says before its body: one pass over the headers, nothing kept in a framework."""

from dataclasses import dataclass

from starlette.types import Scope

from ingest.trace import trace_id

#: uvicorn's httptools parser has no limits of its own (research/ops.md §3.5: 20 MB gave 200).
HEADERS_LIMIT = 100
BYTES_LIMIT = 32_768
_CONTENT_TYPE_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Heading:
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


def read_heading(scope: Scope, public_url: str | None, fresh_trace_id: str) -> Heading:
    """Read an ASGI scope. ``public_url``: scheme and authority as senders know them."""
    headers: list[tuple[str, str]] = []
    known: dict[str, str] = {}
    size = 0
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers.append((name, value))
        size += len(name) + len(value)
        if name in _KNOWN:
            known.setdefault(name, value)
    path: str = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query: str = scope["query_string"].decode("latin-1")
    origin = public_url or f"{scope.get('scheme', 'http')}://{known.get('host', '')}"
    length = known.get("content-length", "")
    return Heading(
        headers=tuple(headers),
        url=f"{origin}{path}?{query}" if query else origin + path,
        query=query,
        content_type=_printable(known.get("content-type", "")),
        content_length=int(length) if length.isascii() and length.isdigit() else None,
        trace_id=trace_id(known.get("traceparent"), fresh_trace_id),
        size=size + len(path) + len(query),
    )


_KNOWN = frozenset({"host", "content-type", "content-length", "traceparent"})


def _printable(text: str) -> str:
    """Derived text is cleaned; the header itself is kept as it came."""
    if not text.isprintable():
        text = "".join(character for character in text if character.isprintable())
    return text[:_CONTENT_TYPE_LIMIT]
