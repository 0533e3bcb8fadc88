"""The job of one message that this worker holds, and what became of it."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from actors.batch import reading_on
from ingest.jobs.states import ClaimedJob, JobOutcome, JobResult

#: Work that ended without saying how, though its process lives: an interrupt, or a fault of ours.
UNFINISHED = JobResult(
    JobOutcome.RETRYABLE, "unfinished", "The worker stopped before this job was finished."
)


@dataclass
class HeldJob:
    """A claimed job. ``result`` None: nobody began, or finished, it. Times in ms."""

    claimed: ClaimedJob
    begun: bool = False
    result: JobResult | None = None
    #: The database's clock, as of the claim.
    now: Callable[[], int] = field(init=False)

    def __post_init__(self) -> None:
        """Begin to read the clock on."""
        self.now = reading_on(self.claimed.started_at)


#: The job of the message that this worker thread is processing.
CURRENT: ContextVar[HeldJob | None] = ContextVar("held_job", default=None)
