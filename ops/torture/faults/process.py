"""Processes that are killed, stopped, told to end, or run out of files, at no particular moment."""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.torture.cluster.lives import Life
from ops.torture.stage import Stage

_BETWEEN_SECONDS = (0.05, 1.5)
_FILES_BESIDES = 2  # more than are open: the next few openings still work


def _life(stage: Stage, role: str) -> Life:
    if role == "worker":
        return stage.random.choice(stage.pipeline.workers())
    return stage.pipeline.lives[role]


@contextmanager
def kill(stage: Stage, *, role: str, member: str = "", times: int = 1) -> Iterator[None]:
    """SIGKILL a role's process, or the members of its family whose command has a word."""
    for _ in range(times):
        life = _life(stage, role)
        words = (member,) if member else ()
        if member == "child":
            _kill_children(life)
        else:
            life.signal(signal.SIGKILL, *words)
        stage.rest(stage.random.uniform(*_BETWEEN_SECONDS))
    yield


def _kill_children(life: Life) -> None:
    life.note_struck()
    for pid in life.family()[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def kill_everything(stage: Stage) -> Iterator[None]:
    """SIGKILL every process of the pipeline at once, as when a machine goes down."""
    for life in stage.pipeline.lives.values():
        life.signal(signal.SIGKILL, whole=True)
    yield


@contextmanager
def stop(stage: Stage, *, role: str, member: str = "") -> Iterator[None]:
    """SIGSTOP a whole family for a while: it lives, holds what it holds, and does nothing."""
    life = _life(stage, role)
    words = (member,) if member else ()
    stopped = life.family(*words)
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    yield
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def terminate(stage: Stage, *, role: str) -> Iterator[None]:
    """SIGTERM, as a deployment does; it is started again when it has ended."""
    _life(stage, role).signal(signal.SIGTERM)
    yield


@contextmanager
def few_files(stage: Stage, *, role: str, member: str = "") -> Iterator[None]:
    """Take away the right to open files, but for the next two."""
    life = _life(stage, role)
    limited = []
    for pid in life.family(*((member,) if member else ())):
        with contextlib.suppress(OSError):
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            opened = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened + _FILES_BESIDES, before[1]))
            limited.append((pid, before))
    yield
    for pid, before in limited:
        with contextlib.suppress(OSError):  # it did not survive, which is allowed
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
