"""Suspects run here: a delivery or job whose earlier start never reported, alone in a child.

The child (``python -m actors.alone``) may crash, hang or eat its memory; its answer, its exit
status or its hard limit is the attempt's outcome. It inherits two pipes and nothing else. Only a
child that brought a success is used again; any other is ended with its first answer. A job tells
its progress on the way, and its process is killed when somebody cancels or pauses it.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import structlog

from ingest.events import AttemptOutcome, AttemptResult, Claimed
from ingest.jobs.context import JobContext
from ingest.jobs.states import ClaimedJob, JobOutcome, JobResult, Order, Progress

logger = structlog.get_logger(__name__)

START_SECONDS = 60.0  # to import the configuration and the handlers, on a busy machine
#: Over the attempt's own limit, which the child enforces itself. A destination has few threads of a
#: process (``bulkhead.py``): with 10 s, suspects that hung made their innocent neighbours start
#: 32 s after the death that they shared (ops/torture, poison_hang).
GRACE_SECONDS = 5.0
_IDLE_CHILDREN = 2
_USES = 100  # suspects come in bursts of one worker's batches; then the child may go
_POLL_SECONDS = 0.2
COMMAND = (sys.executable, "-m", "actors.alone")


class Children:
    """The few idle children of this process, and new ones on demand. Thread-safe."""

    def __init__(self, command: Sequence[str] = COMMAND, folder: Path | None = None) -> None:
        self._command = command
        self._folder = folder
        self._lock = threading.Lock()
        self._idle: list[_Child] = []

    def run(self, claimed: Claimed, limit_seconds: float) -> AttemptResult:
        """Run one delivery alone and return what it came to, whatever that is."""
        answer = self._ask({"claimed": asdict(claimed)}, limit_seconds, _Listener())
        return AttemptResult(**{**answer, "outcome": AttemptOutcome(answer["outcome"])})

    def run_job(self, claimed: ClaimedJob, limit_seconds: float, context: JobContext) -> JobResult:
        """Run one job alone; what it tells on the way is in ``context``."""
        answer = self._ask({"job": asdict(claimed)}, limit_seconds, _JobListener(context))
        return JobResult(**{**answer, "outcome": JobOutcome(answer["outcome"])})

    def close(self) -> None:
        """End the idle children."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _ask(
        self, request: dict[str, Any], limit_seconds: float, listener: "_Listener"
    ) -> dict[str, Any]:
        with self._lock:
            child = self._idle.pop() if self._idle else None
        child = child or _Child(self._command, self._folder)
        try:
            answer = child.attempt(request, limit_seconds, listener)
        except BaseException:
            child.end()
            raise
        self._put_back(child, good=answer["outcome"] == AttemptOutcome.SUCCEEDED)
        return answer

    def _put_back(self, child: "_Child", *, good: bool) -> None:
        with self._lock:
            if good and child.uses < _USES and len(self._idle) < _IDLE_CHILDREN:
                self._idle.append(child)
                return
        child.end()


class _Listener:
    """Hears what a child says before its answer, and says when it is to be stopped."""

    def hear(self, said: dict[str, Any]) -> None:
        """Take note of something that is not the answer."""

    def stop(self) -> dict[str, Any] | None:
        """Return the answer of what is to be stopped now; None where nothing is."""
        return None


class _JobListener(_Listener):
    def __init__(self, context: JobContext) -> None:
        self._context = context

    def hear(self, said: dict[str, Any]) -> None:
        if said["job_id"] == self._context.job_id:  # not the last word of the job before
            self._context.told = Progress(**said["progress"])

    def stop(self) -> dict[str, Any] | None:
        if self._context.cancelled():
            message = "Its process was ended: it was cancelled while it ran."
            return _answer(JobOutcome.CANCELLED, "cancelled", message)
        if self._context.order is Order.PAUSE:
            return _answer(JobOutcome.PAUSED, "", "")
        return None


class _Child:
    """One child process and the two pipes to it."""

    def __init__(self, command: Sequence[str], folder: Path | None) -> None:
        self.uses = 0
        self._answers, theirs = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no input in it
                [*command, str(theirs)],
                stdin=subprocess.PIPE,
                stdout=sys.__stderr__,
                stderr=sys.__stderr__,
                pass_fds=(theirs,),
                cwd=folder,
            )
        finally:
            os.close(theirs)
        self._read = b""

    def attempt(
        self, request: dict[str, Any], limit_seconds: float, listener: _Listener
    ) -> dict[str, Any]:
        """Hand the work over and wait for an answer, an end, an order, or the hard limit."""
        if self.uses == 0 and self._line(START_SECONDS, listener.stop) is None:
            self.end()
            return listener.stop() or _answer(
                AttemptOutcome.RETRYABLE,
                "child_not_started",
                "The process that should run this alone did not start; its log says why.",
            )
        self.uses += 1
        self._ask(request | {"limit_seconds": limit_seconds})
        ends_at = time.monotonic() + limit_seconds + GRACE_SECONDS
        while line := self._line(ends_at - time.monotonic(), listener.stop):
            said = orjson.loads(line)
            if "outcome" in said:
                return dict(said)
            listener.hear(said)
        return listener.stop() or self._judge_end(limit_seconds)

    def end(self) -> None:
        """Kill the process if it lives, and close the pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it never read its last request
                self._process.stdin.close()
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(request, default=_bytes) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            logger.warning("child.gone", pid=self._process.pid)  # its exit status says the rest

    def _line(self, seconds: float, stop: Callable[[], object]) -> bytes | None:
        """Return the child's next line; None if it ended, is to stop, or the time is up."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._read:
            left = deadline - time.monotonic()
            if left <= 0 or stop():
                return None
            ended = self._process.poll() is not None  # asked before reading: nothing comes after
            readable, _, _ = select.select([self._answers], [], [], min(left, _POLL_SECONDS))
            part = os.read(self._answers, 65_536) if readable else b""
            if not part and (readable or ended):
                return None
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _judge_end(self, limit_seconds: float) -> dict[str, Any]:
        try:
            status = self._process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            return _answer(
                AttemptOutcome.CRASHED,
                "killed_at_limit",
                f"It did not stop at its limit of {limit_seconds:g} s, so its process was killed.",
            )
        ended = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return _answer(
            AttemptOutcome.CRASHED,
            ended.lower().replace(" status ", "_"),
            f"Its process ended with {ended} before there was an outcome.",
        )


def _bytes(value: object) -> str:
    """Write a body as latin-1 text, which is one character a byte and never fails."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError


def _answer(outcome: AttemptOutcome | JobOutcome, code: str, message: str) -> dict[str, Any]:
    """Say in a child's words what it cannot say itself. Both kinds of outcomes share these."""
    return {"outcome": outcome.value, "code": code, "message": message}
