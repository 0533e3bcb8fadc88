"""Start a process beside the one that it will replace, so that there is no moment without.

Both have the listening socket meanwhile: who connects is answered by either. The old one is
stopped only when the new one is ready, so a start that fails changes nothing.
"""

import asyncio
import os
from collections.abc import Callable

from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.processes import Child, Command, Guard

READY = b"ready"
_READY_SECONDS = 60.0


async def successor(commanded: Callable[[int | None], Command], guard: Guard) -> Child:
    """Start a server, and return once it is ready.

    ``commanded``: its command, given the descriptor to which it writes READY once it serves, or
    None for its later lives: the descriptor's number belongs to something else by then.
    Raises CommandFailed where it does not get ready; nothing of it is left then.
    """
    reading, writing = os.pipe()
    child = Child(commanded(writing), guard)
    try:
        try:
            await child.start()
        finally:
            os.close(writing)
        await _ready(child.command.name, reading)
        child.command = commanded(None)
    except BaseException:
        child.kill()
        await child.stop()
        raise
    finally:
        os.close(reading)
    return child


async def another(command: Command, guard: Guard) -> Child:
    """Start a process of a kind of which any number may run: nobody waits for it."""
    child = Child(command, guard)
    await child.start()
    return child


async def _ready(name: str, descriptor: int) -> None:
    """Wait for the word; the pipe ends without it where the process does."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await asyncio.wait_for(readable.wait(), _READY_SECONDS)
    except TimeoutError:
        readable.clear()
    finally:
        loop.remove_reader(descriptor)
    if not readable.is_set() or os.read(descriptor, len(READY)) != READY:
        raise CommandFailed(
            f"the new {name} did not get ready; its message stands above. "
            "The old one goes on, and no request was lost.",
            Exit.FAILED,
        )
