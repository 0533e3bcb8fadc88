"""Processes that die between two steps: ingest/failpoints.py says where."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.failpoints import VARIABLE
from ops.torture.stage import NotStruck, Stage
from ops.torture.waiting import NeverCame, wait_until

KIND = "failpoint"
_PATIENCE_SECONDS = 60.0  # a lease has to run out, senders that were cut off have to come back
_PROVOKE_SECONDS = 0.5


@contextmanager
def failpoint(
    stage: Stage, *, role: str, point: str, hits: list[int], provoke: str = ""
) -> Iterator[None]:
    """Start a role anew with one point armed, and wait for it to die there.

    ``hits``: it dies when it comes there for so many times, drawn between the two. ``provoke``:
    what is done to make it come there. Raises NotStruck where it does not.
    """
    life = stage.pipeline.lives[role]
    life.renew({VARIABLE: f"{point}=kill@{stage.random.randint(*hits)}"})
    before = _deaths(stage, role)
    if provoke == "kill_worker":
        _kill_at_work(stage)
    try:
        wait_until(
            lambda: _struck(stage, role, before, provoke),
            _PATIENCE_SECONDS * stage.stretch,
            f"a death at {point}",
            _PROVOKE_SECONDS if provoke else 0.1,
        )
    except NeverCame as error:
        raise NotStruck(point) from error
    else:
        life.note_struck()
    finally:
        if role == "web":  # it arms each of its writers again
            life.renew({})
    yield


def _kill_at_work(stage: Stage) -> None:
    """Kill a worker that surely holds something: requests that nobody answers."""
    stage.sink("hang")
    stage.rest(1.0)
    stage.pipeline.lives["worker-2"].signal(signal.SIGKILL, whole=True)
    stage.sink("ok")


def _struck(stage: Stage, role: str, before: int, provoke: str) -> bool:
    if provoke == "flush":
        stage.redis.flush()
    return _deaths(stage, role) > before


def _deaths(stage: Stage, role: str) -> int:
    """How often it has died so far; of the receiver, its writers."""
    if role == "web":
        return (stage.pipeline.folder / "web.log").read_text(errors="replace").count("writer.ended")
    return len(stage.pipeline.lives[role].deaths)
