"""``python -m ops.bench.sink PORT``: a destination that is never the bottleneck.

Answers every POST with 200 at once. A GET says how many there were, and how many connections that
brought some were open at most, since the last time it was asked.
"""

import asyncio
import json
import sys
from typing import cast

import httptools
import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Seen:
    """What came since the last question."""

    def __init__(self) -> None:
        self.requests = 0
        self.open = 0
        self.most_open = 0

    def connections(self, change: int) -> None:
        """Count a connection in (1) or out (-1)."""
        self.open += change
        self.most_open = max(self.most_open, self.open)

    def tell(self) -> bytes:
        """Return the answer to a question, and forget."""
        said = json.dumps({"requests": self.requests, "connections": self.most_open}).encode()
        self.requests, self.most_open = 0, self.open
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)


class Connection(asyncio.Protocol):
    """One keep-alive connection, which counts from its first POST on."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._counts = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to read."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Count it out."""
        if self._counts:
            self._seen.connections(-1)

    def data_received(self, data: bytes) -> None:
        """Parse; the parser calls ``on_message_complete``."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        assert self._transport is not None
        if self._parser.get_method() == b"GET":
            self._transport.write(self._seen.tell())
            return
        if not self._counts:
            self._counts = True
            self._seen.connections(+1)
        self._seen.requests += 1
        self._transport.write(_ANSWER)


async def serve(port: int) -> None:
    """Answer on 127.0.0.1 until the process is ended."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(seen), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
