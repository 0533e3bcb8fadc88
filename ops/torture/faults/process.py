"""Processes that are killed, stopped, told to end, or run out of files, at no particular moment."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.torture.cluster.lives import Life, send
from ops.torture.stage import NotStruck, Stage
from ops.torture.waiting import NeverCame, wait_until

_BETWEEN_SECONDS = (0.05, 1.5)
_MEMBER_SECONDS = 10.0
_END_SECONDS = 60.0  # a worker gives what it holds 15 s, and is then ended
_FILES_BESIDES = 2  # more than are open: the next few openings still work


def _life(stage: Stage, role: str) -> Life:
    if role == "worker":
        return stage.random.choice(stage.pipeline.workers())
    return stage.pipeline.lives[role]


def _members(life: Life, member: str) -> list[int]:
    """The processes of a role that are meant, once there are any. Raises NotStruck.

    ``member``: a word of their command, "child" for all but the first, "" for all of them.
    """

    def found() -> list[int]:
        return life.family()[1:] if member == "child" else life.family(*filter(None, [member]))

    try:
        return wait_until(found, _MEMBER_SECONDS, f"a process of {life.name} {member}")
    except NeverCame as error:
        raise NotStruck(str(error)) from error


@contextmanager
def kill(stage: Stage, *, role: str, member: str = "", times: int = 1) -> Iterator[None]:
    """SIGKILL a role's process, or the members of its family that are meant. Raises NotStruck."""
    for _ in range(times):
        life = _life(stage, role)
        found = _members(life, member)
        if not send(signal.SIGKILL, found if member else found[:1]):
            raise NotStruck(f"{life.name} {member} ended by itself")
        life.note_struck()
        stage.rest(stage.random.uniform(*_BETWEEN_SECONDS))
    yield


@contextmanager
def kill_everything(stage: Stage) -> Iterator[None]:
    """SIGKILL every process of the pipeline at once, as when a machine goes down."""
    for life in stage.pipeline.lives.values():
        life.signal(signal.SIGKILL, whole=True)
    yield


@contextmanager
def stop(stage: Stage, *, role: str, member: str = "") -> Iterator[None]:
    """SIGSTOP a whole family for a while: it lives, holds what it holds, and does nothing.

    Raises NotStruck.
    """
    stopped = _members(_life(stage, role), member)
    if not send(signal.SIGSTOP, stopped):
        raise NotStruck(f"{role} {member} ended by itself")
    yield
    send(signal.SIGCONT, stopped)


@contextmanager
def terminate(stage: Stage, *, role: str) -> Iterator[None]:
    """SIGTERM, as a deployment does; over when it has ended and was started again."""
    life = _life(stage, role)
    before = life.restarts
    life.signal(signal.SIGTERM)
    yield
    limit = _END_SECONDS * stage.stretch
    wait_until(lambda: life.restarts > before, limit, f"an end of {life.name} in order")


@contextmanager
def few_files(stage: Stage, *, role: str, member: str = "") -> Iterator[None]:
    """Take away the right to open files, but for the next two. Raises NotStruck."""
    life = _life(stage, role)
    limited = []
    for pid in _members(life, member):
        with contextlib.suppress(OSError):
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            opened = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened + _FILES_BESIDES, before[1]))
            limited.append((pid, before))
    if not limited:
        raise NotStruck(f"{life.name} {member} ended by itself")
    yield
    for pid, before in limited:
        with contextlib.suppress(OSError):  # it did not survive, which is allowed
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
