"""Jobs are claimed before the actor runs and recorded after it: what ``claims`` is to deliveries.

One job a message: it may take an hour. A process that stops asks its jobs to stop, too; those that
listen go on elsewhere, and their start does not count.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import random
from collections.abc import Iterable, Sequence

import structlog
from dramatiq import Broker, MessageProxy, Middleware, Worker

from actors import observing
from actors.held_job import CURRENT, UNFINISHED, HeldJob
from actors.kinds import caps, spec_of
from actors.middleware.bulkhead import JobBulkhead
from actors.middleware.holding import Holding
from actors.middleware.insisting import insist
from actors.middleware.limits import end_process
from actors.publishing import wake_jobs
from actors.runtime import Runtime
from ingest.errors import StoreUnavailable
from ingest.jobs.ends import changed_job
from ingest.jobs.specs import DEFAULT_MAX_RETRIES, retry_policy
from ingest.jobs.states import ClaimedJob, JobOutcome, JobRef, JobResult, SettledJob
from ingest.lifecycle import settle_job
from ingest.queue import JOB, WakeBroker
from ingest.store import job_claims
from ingest.store.job_claims import RecordedJobs

logger = structlog.get_logger(__name__)

_UNRECORDABLE = JobResult(
    JobOutcome.PERMANENT,
    "unrecordable",
    "The job's own outcome could not be stored; the worker's log has it.",
)


class JobClaims(Middleware):
    """Claims for ``job``; other actors pass untouched."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._bulkhead = JobBulkhead(runtime.threads)
        self._holding = Holding()

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Learn how many threads there are to share, and begin to look after what runs."""
        self._bulkhead = JobBulkhead(worker.worker_threads)
        self._runtime.teller.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Ask what runs to stop where it can go on."""
        self._runtime.teller.leave()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Look after nothing any more."""
        self._runtime.teller.stop()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Claim a message's job; without it the actor finds nothing to do."""
        CURRENT.set(None)
        if message.actor_name != JOB or self._runtime.stopping.is_set():
            return
        kind = str(message.kwargs["destination"])
        refs = [JobRef(id_, kind, message.queue_name) for id_ in message.kwargs["ids"]]
        if not self._bulkhead.enter(kind, refs):
            return
        claimed: Sequence[ClaimedJob] = ()
        try:
            claimed = self._claim(broker, self._holding.take([ref.id for ref in refs]))
        finally:
            if not claimed:
                self._leave(broker, kind)
        for one in claimed:
            CURRENT.set(HeldJob(one))
            observing.claimed_job(one)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Write down what became of the job that was claimed."""
        held = CURRENT.get()
        if held is None:
            return
        CURRENT.set(None)
        due: list[JobRef] = []
        try:
            if held.begun:
                due = self._record(held, held.result or UNFINISHED)
            else:
                due = self._release(held.claimed)
        finally:
            self._let_go(broker, [held.claimed.id], due)
            self._leave(broker, held.claimed.kind)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Give back what was claimed: a middleware of the user's own skipped the message."""
        self.after_process_message(broker, message)

    def _claim(self, broker: Broker, ids: Sequence[str]) -> list[ClaimedJob]:
        """Claim what this thread has taken hold of, and let go of the rest."""
        runtime = self._runtime
        claimed: list[ClaimedJob] = []
        due: list[JobRef] = []
        try:
            if ids:
                limits = caps(runtime.loaded)
                claimed = job_claims.claim(runtime.database, runtime.worker_id, ids, limits)
        except StoreUnavailable as error:
            logger.warning("claims.unavailable", jobs=len(ids), error=str(error))
            due = self._undo_claim(ids)
        finally:
            self._let_go(broker, set(ids) - {one.id for one in claimed}, due)
        return claimed

    def _let_go(self, broker: Broker, ids: Iterable[str], due: Sequence[JobRef]) -> None:
        """Drop ids, and only then publish: a thread that is woken before finds them held."""
        self._holding.drop(ids)
        wake_jobs(_wakes(broker), due)

    def _undo_claim(self, ids: Sequence[str]) -> list[JobRef]:
        """Give back what was claimed if the commit did happen: nobody would ever work on it."""
        runtime = self._runtime
        undone = insist(
            lambda: job_claims.release_unconfirmed(runtime.database, runtime.worker_id, ids),
            runtime.stopping,
        )
        if undone is not None and undone.written:
            logger.warning("claims.undone", jobs=undone.written)
            return _told(undone)
        return []

    def _record(self, held: HeldJob, result: JobResult) -> list[JobRef]:
        """Record a job as it is, else in plain words: it must not be held for ever.

        Returns what may start now.
        """
        claimed = held.claimed
        for told in (result, _UNRECORDABLE):
            settled = self._settle(held, told)
            try:
                recorded = self._write(settled)
            except Exception:
                logger.exception("claims.rejected", job_id=claimed.id)
                continue
            if recorded is None:
                return []
            self._tell(claimed, settled, recorded)
            return list(recorded.due)
        end_process()
        return []

    def _settle(self, held: HeldJob, result: JobResult) -> SettledJob:
        spec = spec_of(self._runtime.loaded, held.claimed.kind)
        policy = spec.policy if spec else retry_policy(DEFAULT_MAX_RETRIES)
        return settle_job(held.claimed, result, policy, held.now(), random.random)

    def _write(self, settled: SettledJob) -> RecordedJobs | None:
        runtime = self._runtime
        return insist(
            lambda: job_claims.record(
                runtime.database, runtime.worker_id, [settled], caps(runtime.loaded)
            ),
            runtime.stopping,
        )

    def _tell(self, claimed: ClaimedJob, settled: SettledJob, recorded: RecordedJobs) -> None:
        """Tell of what was written; what was fenced, the scheduler has told of as lost."""
        if recorded.fenced:
            logger.warning("claims.fenced", jobs=recorded.fenced)
        for change in recorded.changes:
            if change.id == claimed.id:
                observing.ended_job(claimed, settled, change.state)
            else:
                changed_job(change)

    def _release(self, claimed: ClaimedJob) -> list[JobRef]:
        runtime = self._runtime
        released = insist(
            lambda: job_claims.release(runtime.database, runtime.worker_id, [claimed]),
            runtime.stopping,
        )
        return [] if released is None else _told(released)

    def _leave(self, broker: Broker, kind: str) -> None:
        wake_jobs(_wakes(broker), self._bulkhead.leave(kind))


def _told(released: RecordedJobs) -> list[JobRef]:
    """Tell of what was given back; return what may start now."""
    for change in released.changes:
        changed_job(change)
    return list(released.due)


def _wakes(broker: Broker) -> WakeBroker:
    assert isinstance(broker, WakeBroker)
    return broker
