"""What a running job knows and can do: its id, its progress, what is asked of it, and more jobs.

A context touches nothing by itself: the worker reads from it what was told, once a second, and
tells it what somebody asked for meanwhile. So a job is tested by calling it with JobContext().
"""

import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ingest.jobs.states import Order, Progress
from ingest.jobs.workflow import Call, Work

if TYPE_CHECKING:
    from ingest.store import Database

_LONGEST_ADDRESS = 2_000  # characters; browsers and proxies take no longer URL either
_HIGHEST_COUNT = 2**63 - 1  # what a column holds

#: Makes the jobs of some work: the work, its errback, an idempotency key.
Make = Callable[[Work, Call | None, str], list[str]]


class Cancelled(BaseException):  # as asyncio's: `except Exception` must not swallow it
    """Raised by ``progress`` once somebody has cancelled the job. Clean up and let it pass."""


class Paused(BaseException):  # likewise
    """Raised by ``progress`` once somebody has paused the job, which starts again when resumed.

    Or by ``rest``, after which it starts again in so many ``seconds``.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds


class SoftTimeLimit(BaseException):  # likewise
    """Raised once in a sync job at its soft limit; an async one is cancelled. Clean up, quickly."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a job's result lies, returned in its place: a result itself is at most 64 KB.

    Raises ValueError for what is no address: text of 1 to 2,000 characters.
    """

    url: str

    def __post_init__(self) -> None:
        """Refuse a result that comes dressed as its address."""
        if not isinstance(self.url, str) or not 0 < len(self.url) <= _LONGEST_ADDRESS:
            raise ValueError(f"a Reference holds an address: 1 to {_LONGEST_ADDRESS:,} characters")


class JobContext:
    """A job's own view of itself. ``attempt`` counts from 1.

    ``results``: what its predecessors returned, in the order of the workflow. ``resources``: what
    the ``@on_startup`` hooks of this process left there. ``earlier``: what an earlier start of
    this job told last, for a job that can go on from there. ``fire_at``: the time of its schedule
    that this job was made for (ms since the epoch), however late it starts; None: it was asked for.
    """

    def __init__(
        self,
        job_id: str = "",
        kind: str = "",
        *,
        attempt: int = 1,
        results: Sequence[Any] = (),
        resources: MutableMapping[str, Any] | None = None,
        earlier: Progress | None = None,
        fire_at: int | None = None,
        trace_id: str = "",
        database: "Database | None" = None,
        make: Make | None = None,
    ) -> None:
        self.job_id = job_id
        self.kind = kind
        self.attempt = attempt
        self.results = list(results)
        self.resources: Mapping[str, Any] = {} if resources is None else resources
        self.earlier = earlier or Progress()
        self.fire_at = fire_at
        self.trace_id = trace_id
        self.told = Progress()
        self.order = Order.GO_ON
        self.soft_limit_at: float | None = None
        self._database = database
        self._make = make
        self._enqueued = 0

    @property
    def database(self) -> "Database":
        """The worker's open database."""
        if self._database is None:
            raise RuntimeError("this job has no database: it does not run in a worker")
        return self._database

    def progress(
        self,
        done: int | None = None,
        total: int | None = None,
        *,
        step: str | None = None,
        message: str | None = None,
    ) -> None:
        """Tell how far the job is; what is not given stays. Written at most once a second.

        ``done`` and ``total`` are whole numbers from 0, ``step`` and ``message`` are text; raises
        TypeError or ValueError for anything else, and Cancelled or Paused where somebody has asked
        for that.
        """
        _check_counts(done=done, total=total)
        _check_texts(step=step, message=message)
        last = self.told
        self.told = Progress(
            last.step if step is None else step,
            last.done if done is None else done,
            last.total if total is None else total,
            last.message if message is None else message,
        )
        if self.cancelled():
            raise Cancelled
        if self.order is Order.PAUSE:
            raise Paused

    def cancelled(self) -> bool:
        """Whether somebody has cancelled the job, or it runs elsewhere by now."""
        return self.order in {Order.CANCEL, Order.LOST}

    def soft_limit_reached(self) -> bool:
        """Whether it is time to come to an end."""
        return self.soft_limit_at is not None and time.monotonic() >= self.soft_limit_at

    def rest(self, seconds: float = 0.0) -> NoReturn:
        """End this start, which does not count as a try; the next is in so many seconds.

        For a job that has to wait long, or has held its thread for long: others have their turn.
        """
        raise Paused(seconds)

    def enqueue(self, work: Work, *, on_error: Call | None = None) -> list[str]:
        """Make more jobs; return their ids, in the order of the workflow.

        A start that follows a failed or killed one makes them only once: the n-th call of every
        start means the same jobs. Raises Conflict where it then asks for others, ValueError for
        arguments that cannot be kept.
        """
        if self._make is None:
            raise RuntimeError("this job makes no others: it does not run in a worker")
        self._enqueued += 1
        return self._make(work, on_error, f"{self.job_id}/{self._enqueued}")


def _check_counts(**counts: object) -> None:
    for name, value in counts.items():
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"progress: {name} is a whole number, not {type(value).__name__}")
        if not 0 <= value <= _HIGHEST_COUNT:
            raise ValueError(f"progress: {name} is between 0 and {_HIGHEST_COUNT:,}")


def _check_texts(**texts: object) -> None:
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"progress: {name} is text, not {type(value).__name__}")
