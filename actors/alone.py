"""``python -m actors.alone``: runs suspects one at a time and answers on a pipe of its own.

Started by ``children``. Requests are JSON lines on standard input, answers JSON lines on the file
descriptor in its argument. Its end of input means that its worker died: it leaves at once, whatever
it is doing. What handlers print goes to standard error, what they read is empty.
"""

import asyncio
import faulthandler
import os
import queue
import sys
import threading
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from actors.attempts import http, message, python
from actors.batch import now_ms
from actors.lone_jobs import LoneJobs
from actors.middleware.limits import Limits
from ingest import logs
from ingest.config.settings import Settings, load_settings
from ingest.config.snapshot import Loaded, Snapshot
from ingest.errors import ConfigError
from ingest.events import AttemptResult, Claimed, DestinationKind, Event
from ingest.jobs.states import JobResult
from ingest.outbound import Door
from ingest.queue import ACTORS, NOTIFY
from ingest.verify.catalogue import load_catalogue

_CONNECTIONS = 4
_HARD_SECONDS = 30.0  # past its limit and its parent's patience, should the parent be gone too


def main(answers: BinaryIO, requests: BinaryIO) -> None:
    """Answer requests until there are no more. Leaves the process when they end."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, waiting), daemon=True).start()
    settings, loaded = _load()
    limits = Limits()
    limits.start()
    mouth = Mouth(answers)
    jobs = LoneJobs(settings, loaded, limits, mouth.say)
    mouth.say({"ready": True})
    while True:
        request = orjson.loads(waiting.get())
        # The last resort against code that never lets Python run again: a watchdog in C.
        faulthandler.dump_traceback_later(request["limit_seconds"] + _HARD_SECONDS, exit=True)
        result: AttemptResult | JobResult
        if "job" in request:
            result = jobs.run(request["job"])
        else:
            result = run(loaded, claimed_from(request["claimed"]), limits)
        faulthandler.cancel_dump_traceback_later()
        mouth.say(asdict(result))


class Mouth:
    """Says one line at a time: a running job tells its progress from another thread."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._lock = threading.Lock()

    def say(self, answer: dict[str, Any]) -> None:
        """Write one line, whole: a pipe takes a long one in parts."""
        line = memoryview(orjson.dumps(answer) + b"\n")
        with self._lock:
            while line:
                line = line[self._answers.write(line) :]


def run(loaded: Loaded, claimed: Claimed, limits: Limits) -> AttemptResult:
    """Make the one attempt, here and now."""
    if claimed.kind is DestinationKind.HTTP:
        return asyncio.run(_post(loaded, claimed))
    if ACTORS[claimed.kind] == NOTIFY:
        destination = loaded.config.destinations.get(claimed.destination)
        return message.alone(destination, claimed, limits)
    handler = loaded.handlers.get(claimed.destination)
    if handler is None:
        return python.unknown(claimed.destination)
    if handler.is_async:
        return asyncio.run(python.attempt_async(handler, claimed.event))
    return python.attempt(handler, claimed.event, limits, _run_on_loop)


def claimed_from(fields: dict[str, Any]) -> Claimed:
    """Read a delivery as ``children`` writes it."""
    event = fields["event"]
    headers = tuple((name, value) for name, value in event["headers"])
    body = event["body"].encode("latin-1")
    fields["event"] = Event(**{**event, "headers": headers, "body": body})
    fields["kind"] = DestinationKind(fields["kind"])
    return Claimed(**fields)


async def _post(loaded: Loaded, claimed: Claimed) -> AttemptResult:
    door = Door(_CONNECTIONS)
    try:
        destination = loaded.config.destinations.get(claimed.destination)
        return await http.attempt(door, destination, claimed, now_ms())
    finally:
        await door.close()


def _run_on_loop(coroutine: Coroutine[Any, Any, AttemptResult]) -> AttemptResult:
    return asyncio.run(coroutine)


def _load() -> tuple[Settings, Loaded]:
    try:
        settings = load_settings(os.environ, Path.cwd())
        logs.configure(settings.log_level, settings.log_format)
        catalogue = load_catalogue()
        snapshot = Snapshot(settings.config_path, os.environ, catalogue, load_handlers=True)
        return settings, snapshot.current
    except ConfigError as error:
        raise SystemExit(str(error)) from None


def _read(requests: BinaryIO, waiting: "queue.SimpleQueue[bytes]") -> None:
    for line in requests:
        waiting.put(line)
    os._exit(0)


def _take_standard_input() -> BinaryIO:
    """Keep the requests for ourselves; handlers find their standard input empty."""
    requests = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return requests


if __name__ == "__main__":
    main(os.fdopen(int(sys.argv[1]), "wb", buffering=0), _take_standard_input())
