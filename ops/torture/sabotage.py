"""``python -m ops.torture.sabotage NAME COMMAND...``: a process with one protection switched off.

Shows that the verdict can be a bad one. Only here, never in the product: a process is started
through this module, which changes what it imports. ``COMMAND`` is one of hookkeeper's: web, worker
or scheduler; web starts its writer through this module too.
"""
# ruff: noqa: PLC0415, SLF001 - what is sabotaged is imported only then, and from the inside

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

VARIABLE = "TORTURE_SABOTAGE"
_SELF = "ops.torture.sabotage"


def no_fencing() -> None:
    """Anyone may claim any delivery at any time."""
    from sqlalchemy import BigInteger, Text, bindparam, select, update

    from ingest.events import DeliveryState
    from ingest.store import claims
    from ingest.store.schema import deliveries

    columns = (deliveries.c.id, deliveries.c.destination, deliveries.c.event_id)
    start = update(deliveries).where(claims._IS_GIVEN)
    start = start.values(
        state=DeliveryState.RUNNING,
        wake_at=None,
        finished_at=None,
        worker_id=bindparam("worker", type_=Text),
        claimed_at=bindparam("moment", type_=BigInteger),
        starts=deliveries.c.starts + 1,
    )
    _put(claims, "_WAITING", select(*columns).where(claims._IS_GIVEN))
    _put(claims, "_START", start.returning(*(deliveries.c[name] for name in claims._CLAIMED)))
    _put(claims, "hold_lease", lambda *_: True)


def no_wake_ups() -> None:
    """The scheduler never publishes what is due."""
    from ingest.store import wake

    for name in ("due_events", "due_deliveries", "due_jobs"):
        _put(wake, name, lambda *_: [])


def no_fsync() -> None:
    """SQLite commits without an fsync."""
    from sqlalchemy import event

    from ingest.store import database

    make = database._sqlite_engine

    def careless(*arguments: Any) -> Any:
        engine = make(*arguments)
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        return engine

    _put(database, "_sqlite_engine", careless)


def no_dedupe() -> None:
    """No event has a key to be known again by."""
    from ingest.store import accept

    keep = accept.accept_in

    def forgetful(tx: Any, arrivals: Any) -> Any:
        return keep(tx, [arrival._replace(dedupe_key=None) for arrival in arrivals])

    _put(accept, "accept_in", forgetful)


def no_isolation() -> None:
    """What crashed before runs with its neighbours again, in the worker's own process.

    They are given up together after three deaths: ten take longer than a trial waits.
    """
    from ingest.lifecycle import CRASHES_TO_QUARANTINE
    from ingest.store import claims, workers

    begin: Any = claims._start
    claimed, free = claims._claimed, workers.free_expired

    def freed(*arguments: Any) -> Any:
        return [replace(ref, alone=False) for ref in free(*arguments)]

    _put(claims, "_start", lambda *given: begin(*given[:-1], CRASHES_TO_QUARANTINE))
    _put(claims, "_claimed", lambda row, event: replace(claimed(row, event), crashes=0))
    _put(workers, "free_expired", freed)
    _put(workers, "LOSSES_TO_QUARANTINE", CRASHES_TO_QUARANTINE)


def _put(module: ModuleType, name: str, value: object) -> None:
    """Replace what a module has under a name; a name that it has no more is an error."""
    assert hasattr(module, name), f"{module.__name__} has no {name}: nothing would be sabotaged"
    setattr(module, name, value)


PROTECTIONS: Mapping[str, Callable[[], None]] = {
    "fencing": no_fencing,
    "wake-ups": no_wake_ups,
    "fsync": no_fsync,
    "dedupe": no_dedupe,
    "isolation": no_isolation,
}


#: The fault, on SQLite, that shows that a protection is missing.
REVEALED_BY: Mapping[str, str] = {
    "fencing": "sink_hang",
    "wake-ups": "redis_flushed",
    "fsync": "power_loss",
    "dedupe": "kill_scheduler",
    "isolation": "poison_exit",
}


def main(name: str, command: str, words: Sequence[str]) -> None:
    """Become the command, without the protection."""
    os.environ[VARIABLE] = name
    PROTECTIONS[name]()
    if command == "writer":
        sys.argv = ["writer", *words]
        runpy.run_module("ingest.writer", run_name="__main__")
    elif command == "scheduler":
        sys.argv = ["scheduler"]
        runpy.run_module("actors.scheduler", run_name="__main__")
    else:
        _hookkeeper(name, command, words)


def _hookkeeper(name: str, command: str, words: Sequence[str]) -> None:
    from ingest.cli import main as hookkeeper
    from ingest.writer import link, spawning

    def spawn(end: socket.socket) -> "subprocess.Popen[bytes]":
        number = end.fileno()
        argv = [sys.executable, "-m", _SELF, name, "writer", str(number)]
        return subprocess.Popen(argv, pass_fds=[number], stdin=subprocess.DEVNULL)

    become = os.execve

    def execve(path: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        sabotaged = ["ops.torture.sabotaged_actors" if word == "actors" else word for word in argv]
        become(path, sabotaged, {**environ, VARIABLE: name})

    defaults = link.Writer.__init__.__kwdefaults__
    assert defaults is not None
    defaults["start_process"] = spawn
    _put(spawning, "spawn", spawn)
    _put(os, "execve", execve)  # the worker's command becomes dramatiq by it
    sys.argv = ["hookkeeper", command, *words]
    hookkeeper()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
