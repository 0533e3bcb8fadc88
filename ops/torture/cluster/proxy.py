"""A TCP proxy that can misbehave: between a process and the server that it needs.

``pass`` forwards; ``hole`` takes everything and forwards nothing, as a cable that is cut without a
word; ``refuse`` breaks every connection and takes no new one; ``slow`` holds each piece up.
"""

import asyncio
import contextlib
import threading
from typing import Literal

Mode = Literal["pass", "hole", "refuse", "slow"]
_SLOW_SECONDS = 0.25
_PIECE = 65_536


class Proxy:
    """Listens on a free port of loopback, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._mode: Mode = "pass"
        self._loop: asyncio.AbstractEventLoop
        self._clear: asyncio.Event
        self._ended: asyncio.Event
        self._writers: set[asyncio.StreamWriter] = set()
        listening = threading.Event()
        main = self._main(listening)
        self._thread = threading.Thread(target=asyncio.run, args=(main,), daemon=True)
        self._thread.start()
        listening.wait()

    def become(self, mode: Mode) -> None:
        """Behave like this from now on; what was held up goes on its way when it passes again."""
        asyncio.run_coroutine_threadsafe(self._become(mode), self._loop).result()

    def point_at(self, target: int) -> None:
        """Forward to another port from now on, and break what is connected to the old one."""
        self.target = target
        self.break_all()

    def break_all(self) -> None:
        """Close every connection."""
        asyncio.run_coroutine_threadsafe(self._break(), self._loop).result()

    def close(self) -> None:
        """Break everything and give the port back."""
        self.break_all()
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _main(self, listening: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._clear, self._ended = asyncio.Event(), asyncio.Event()
        self._clear.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        await self._ended.wait()
        server.close()

    async def _become(self, mode: Mode) -> None:
        self._mode = mode
        if mode == "hole":
            self._clear.clear()
        else:
            self._clear.set()
        if mode == "refuse":
            await self._break()

    async def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._mode == "refuse":
                return
            await self._clear.wait()
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(there_writer)
            try:
                ways = (self._pump(reader, there_writer), self._pump(there_reader, writer))
                await asyncio.wait(
                    [asyncio.ensure_future(way) for way in ways],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                there_writer.transport.abort()
                self._writers.discard(there_writer)
        except OSError:
            return  # nobody listens there now: the caller finds its connection closed
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                await self._clear.wait()
                if self._mode == "slow":
                    await asyncio.sleep(_SLOW_SECONDS)
                writer.write(data)
                await writer.drain()
