"""Wait until a server of ours answers ``GET /readyz`` with 200."""

import asyncio

from ingest.cli.exits import CommandFailed
from ingest.origin import reachable

_READY_SECONDS = 60.0
_ANSWER_SECONDS = 5.0


async def wait_ready(name: str, host: str, port: int) -> None:
    """Return once a server is ready. Raises CommandFailed with its answer after 60 s."""
    deadline = asyncio.get_running_loop().time() + _READY_SECONDS
    answer = b"it never answered"
    while asyncio.get_running_loop().time() < deadline:
        try:
            answer = await asyncio.wait_for(_ask(reachable(host), port), _ANSWER_SECONDS)
        except (OSError, TimeoutError):
            continue
        if answer.startswith(b"HTTP/1.1 200"):
            return
        await asyncio.sleep(0.05)
    said = answer.rpartition(b"\r\n\r\n")[2].decode(errors="replace")
    raise CommandFailed(f"{name} is not ready after {_READY_SECONDS:.0f} s: {said}")


async def _ask(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()
