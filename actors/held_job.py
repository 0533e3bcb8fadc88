"""The job of one message that this worker holds, and what became of it."""

from contextvars import ContextVar
from dataclasses import dataclass

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


#: The job of the message that this worker thread is processing.
CURRENT: ContextVar[HeldJob | None] = ContextVar("held_job", default=None)
