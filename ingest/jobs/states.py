"""The nouns of jobs and their states: one spelling for SQL, code, metrics, API and people.

This module imports nothing of ours. All times are integer milliseconds since the Unix epoch, UTC;
all ids are UUIDv7 strings.
"""

import enum
from dataclasses import dataclass

#: Of a job's arguments, and of its result, as JSON. More belongs where large things are kept, with
#: its address as the argument or the result (research/jobs.md §5.7).
LARGEST_JSON = 65_536


class JobState(enum.StrEnum):
    """``pending -> started -> progress -> success | failure | revoked``; a retry is pending."""

    PENDING = "pending"
    STARTED = "started"
    PROGRESS = "progress"
    SUCCESS = "success"
    FAILURE = "failure"
    REVOKED = "revoked"


class JobOutcome(enum.StrEnum):
    """How one start of a job ended. ``crashed`` means that it never said: its process died.

    ``paused``: it stopped because somebody asked it to, and goes on once it is resumed.
    """

    SUCCEEDED = "succeeded"
    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    PAUSED = "paused"


#: A worker holds it. ``progress`` is ``started`` with something to tell.
HELD = frozenset({JobState.STARTED, JobState.PROGRESS})
#: States that nothing leaves any more.
FINAL = frozenset({JobState.SUCCESS, JobState.FAILURE, JobState.REVOKED})


@dataclass(frozen=True, slots=True)
class JobRef:
    """What the wire needs to know of a pending job.

    ``alone``: an earlier start ended without an outcome, so it runs in a process of its own.
    """

    id: str
    kind: str
    queue: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is to be made. ``arguments``: JSON, ``{"args": [...], "kwargs": {...}}``.

    ``remaining``: how many of its predecessors have to succeed before it may start.
    """

    id: str
    kind: str
    queue: str
    arguments: str
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """``after`` waits for ``before``.

    ``on`` success: it starts when all such predecessors have succeeded, and gets their results in
    the order of ``position``. ``on`` failure: it starts when the first of them has failed for good.
    """

    before: str
    after: str
    on: JobState = JobState.SUCCESS
    position: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Jobs that are made together, and which waits for which."""

    jobs: tuple[NewJob, ...]
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come, in its own words. ``done`` of ``total``, in whatever it counts."""

    step: str | None = None
    done: int | None = None
    total: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """What a job returned: JSON, or where it lies."""

    result: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this worker process holds.

    ``starts`` counts claims, this one included, and fences the outcome; ``attempts`` counts
    recorded outcomes before this claim; ``crashes`` counts starts that never reported.
    ``results``: of its predecessors, in the order of the workflow. ``earlier``: what an
    earlier start told last of its progress. ``fire_at``: the time of its schedule that it was
    made for; None: no schedule made it.
    """

    id: str
    kind: str
    queue: str
    arguments: str
    results: tuple[Returned, ...]
    starts: int
    attempts: int
    crashes: int
    created_at: int
    started_at: int
    waited_ms: int
    trace_id: str
    earlier: Progress = Progress()
    fire_at: int | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """What running a job once came to, before any decision about what happens next.

    ``result``: JSON of what it returned, or ``reference``: where the result lies. ``code`` is a
    short stable word (``job_error``, ``timeout``, ``result_too_large``, ``cancelled``);
    ``message`` is for people. ``rest_ms``: for how long a job that paused itself does not start.
    """

    outcome: JobOutcome
    code: str = ""
    message: str = ""
    result: str | None = None
    reference: str | None = None
    rest_ms: int = 0


@dataclass(frozen=True, slots=True)
class SettledJob:
    """A decision to be written: the outcome as it was, and the job's next state."""

    job_id: str
    starts: int
    state: JobState
    wake_at: int | None
    result: JobResult
    finished_at: int


@dataclass(frozen=True, slots=True)
class JobChange:
    """The state that a job came to, as it was written: by a start of it, or without one."""

    id: str
    kind: str
    trace_id: str
    state: JobState
    code: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a running job tells of itself, from one start of it."""

    job_id: str
    starts: int
    progress: Progress


class Order(enum.Enum):
    """What somebody wants of a running job. ``lost``: it is not this worker's any more."""

    GO_ON = enum.auto()
    PAUSE = enum.auto()
    CANCEL = enum.auto()
    LOST = enum.auto()


@dataclass(frozen=True, slots=True)
class Made:
    """The jobs of a plan, in its order, and those of them that may start at once.

    ``repeated``: the same was asked for before; these are the jobs that were made then.
    """

    ids: list[str]
    due: list[JobRef]
    repeated: bool = False
