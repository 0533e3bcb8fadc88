"""``python -m ops.torture.sink PORT LOG ORDERS``: a destination that writes down what it gets.

How it answers stands in the file ORDERS, read for every request: ``ok``, ``500``, ``429``,
``hang`` (until the order changes) or ``reset`` (half an answer, then the connection breaks).
"""

import asyncio
import contextlib
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TextIO

from ops.torture.written import Send

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_ANSWERS = {
    "ok": _OK,
    "500": b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
    "429": b"HTTP/1.1 429 Slow Down\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n",
    "reset": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
}
_LOOK_SECONDS = 0.1


class Sink:
    """Answers as ordered, once the request is in the log."""

    def __init__(self, log: TextIO, orders: Path) -> None:
        self._log = log
        self._orders = orders

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await self._one(reader, writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        named = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        body = await reader.readexactly(int(named.get("content-length", "0")))
        self._note(named.get("webhook-id", ""), body)
        while (order := self._order()) == "hang":  # noqa: ASYNC110 - the order is in a file
            await asyncio.sleep(_LOOK_SECONDS)
        writer.write(_ANSWERS[order])
        await writer.drain()
        if order == "reset":
            raise ConnectionResetError

    def _note(self, webhook_id: str, body: bytes) -> None:
        key = json.loads(body)["key"]
        send = Send(key, webhook_id, hashlib.sha256(body).hexdigest())
        row = {"key": send.key, "webhook_id": send.webhook_id, "digest": send.digest}
        self._log.write(json.dumps({**row, "at": time.time()}) + "\n")

    def _order(self) -> str:
        return self._orders.read_text().strip() or "ok"


def order(orders: Path, word: str) -> None:
    """Tell a sink how to answer; never half a word."""
    draft = orders.with_suffix(".draft")
    draft.write_text(word)
    draft.replace(orders)


async def main(port: int, log: Path, orders: Path) -> None:
    """Serve until the process is ended."""
    with log.open("a", encoding="utf-8", buffering=1) as lines:
        server = await asyncio.start_server(Sink(lines, orders).serve, "127.0.0.1", port)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
    os._exit(0)
