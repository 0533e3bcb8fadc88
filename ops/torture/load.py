"""``python -m ops.torture.load ORDERS``: senders that write down every answer themselves.

A process of its own, so that nothing that is struck can touch what it knows. Like providers, it
sends again what was not acknowledged. A line on standard input ends the making of new events; what
is not acknowledged yet is sent until it is, or until standard input ends.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingest.verify import load_catalogue
from ops.torture.senders import SOURCES, TIMED, Letter, headers, write
from ops.torture.written import Answer

_PATIENCE_SECONDS = 4.0  # for one answer
_AGAIN_SECONDS = (0.2, 0.8)
_HELD_BACK = 20  # events a connection may owe before no new ones are made


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What to send. ``count``: so many events and no more; ``copies``: so many times each.

    ``rate`` is in events a second over all ``connections``; ``do`` makes poison of all of them.
    ``late_seconds``: how long ago they were signed; then those of a source that signs the time are
    nothing that may be acknowledged.
    """

    port: int
    log: str
    seed: int
    prefix: str
    rate: float
    connections: int
    count: int = 1_000_000
    copies: int = 1
    do: str = ""
    size: int = 200
    again: float = 0.03  # the share that is sent again though it was acknowledged
    forged: float = 0.02
    late_seconds: float = 0.0
    sources: tuple[str, ...] = SOURCES


@dataclass(slots=True)
class _Parcel:
    """A letter. ``genuine``: it has to be acknowledged; ``forged``: by another secret.

    What is not genuine has to be answered, by whatever.
    """

    letter: Letter
    genuine: bool = True
    forged: bool = False


class Senders:
    """Some connections that share a queue of parcels."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._random = random.Random(orders.seed)
        self._catalogue = load_catalogue()
        self._queue: asyncio.Queue[_Parcel] = asyncio.Queue()
        self._open = 0  # parcels that still have to be acknowledged, or answered
        self._log = Path(orders.log).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by run()
        self._made = asyncio.Event()
        self._later: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, abandon: asyncio.Event) -> None:
        """Send until told to stop, then until all of it is acknowledged."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._orders.connections)]
        await self._make(stop)
        giving_up = asyncio.create_task(abandon.wait())
        while self._open and not giving_up.done():  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0.05)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._log.close()

    async def _make(self, stop: asyncio.Event) -> None:
        orders, began = self._orders, time.monotonic()
        for number in range(orders.count):
            due = began + number / orders.rate
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
            while self._crowded and not stop.is_set():  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.05)  # nobody hears us; a provider would hold back, too
            if stop.is_set():
                return
            source = self._random.choice(orders.sources)
            letter = write(f"{orders.prefix}{number}", source, do=orders.do, size=orders.size)
            stale = orders.late_seconds > 0 and source in TIMED
            for _ in range(orders.copies):
                self._put(_Parcel(letter, genuine=not stale))
            if self._random.random() < orders.forged:
                forged = write(f"forged-{orders.prefix}{number}", source)
                self._put(_Parcel(forged, genuine=False, forged=True))

    @property
    def _crowded(self) -> bool:
        return self._open > _HELD_BACK * self._orders.connections + self._orders.copies

    def _put(self, parcel: _Parcel) -> None:
        self._open += 1
        self._queue.put_nowait(parcel)

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError, ValueError, asyncio.IncompleteReadError):
                await self._connection()
            await asyncio.sleep(0.05)

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._orders.port)
        try:
            while True:
                parcel = await self._queue.get()
                self._settle(parcel, await self._post(reader, writer, parcel))
        finally:
            writer.close()

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parcel: _Parcel
    ) -> bool:
        """Post and write down the answer; whether it was one that the parcel has to have."""
        began = time.monotonic()
        status = 0
        said: dict[str, Any] = {}
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                writer.write(self._request(parcel, time.time()))
                status, said = await _answer(reader)
        except (OSError, EOFError, ValueError, asyncio.IncompleteReadError):
            self._note(parcel, 0, {}, began)
            self._settle(parcel, settled=False)
            raise
        self._note(parcel, status, said, began)
        return status in (200, 202) or not parcel.genuine

    def _request(self, parcel: _Parcel, now: float) -> bytes:
        letter = parcel.letter
        provider = self._catalogue[letter.source]
        made = headers(letter, provider, now - self._orders.late_seconds, genuine=not parcel.forged)
        lines = [f"POST /in/{letter.source} HTTP/1.1", "host: torture"]
        lines += [f"{name}: {value}" for name, value in made.items()]
        lines += [f"content-length: {len(letter.body)}", "", ""]
        return "\r\n".join(lines).encode() + letter.body

    def _note(self, parcel: _Parcel, status: int, said: dict[str, Any], began: float) -> None:
        answer = Answer(
            key=parcel.letter.key,
            status=status,
            digest=parcel.letter.digest,
            at=time.time(),
            took=time.monotonic() - began,
            event_id=str(said.get("id", "")),
            duplicate=said.get("status") == "duplicate",
            genuine=parcel.genuine,
        )
        self._log.write(json.dumps(asdict(answer)) + "\n")

    def _settle(self, parcel: _Parcel, settled: bool) -> None:  # noqa: FBT001 - an outcome
        if not settled:
            self._after(self._random.uniform(*_AGAIN_SECONDS), parcel)
            return
        self._open -= 1
        if parcel.genuine and self._random.random() < self._orders.again:
            self._open += 1
            self._after(self._random.uniform(0, 3), parcel)

    def _after(self, seconds: float, parcel: _Parcel) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            self._queue.put_nowait(parcel)

        task = asyncio.create_task(later())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    length = next(
        (
            int(line.split(":")[1])
            for line in head.splitlines()
            if line.startswith("content-length:")
        ),
        0,
    )
    said = _read(await reader.readexactly(length))
    return status, said


def _read(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


async def main(orders: Orders) -> None:
    """Send until standard input says otherwise."""
    stop, abandon = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.readline()
        stop.set()
        await reader.read()
        abandon.set()

    listening = asyncio.create_task(listen())
    await Senders(orders).run(stop, abandon)
    listening.cancel()


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    asyncio.run(main(Orders(**{**given, "sources": tuple(given.get("sources", SOURCES))})))
