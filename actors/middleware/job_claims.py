"""Jobs are claimed before the actor runs and recorded after it: what ``claims`` is to deliveries.

One job a message: it may take an hour. A process that stops asks its jobs to stop, too; those that
listen go on elsewhere, and their start does not count.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import random
from collections.abc import Sequence

import structlog
from dramatiq import Broker, MessageProxy, Middleware, Worker

from actors import observing
from actors.batch import now_ms
from actors.held_job import CURRENT, UNFINISHED, HeldJob
from actors.kinds import caps, spec_of
from actors.middleware.bulkhead import JobBulkhead
from actors.middleware.holding import Holding
from actors.middleware.insisting import insist
from actors.middleware.limits import end_process
from actors.publishing import wake_jobs
from actors.runtime import Runtime
from ingest.errors import StoreUnavailable
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
        try:
            if held.begun:
                self._record(broker, held.claimed, held.result or UNFINISHED)
            else:
                self._release(broker, held.claimed)
        finally:
            self._holding.drop([held.claimed.id])
            self._leave(broker, held.claimed.kind)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Give back what was claimed: a middleware of the user's own skipped the message."""
        self.after_process_message(broker, message)

    def _claim(self, broker: Broker, ids: Sequence[str]) -> list[ClaimedJob]:
        """Claim what this thread has taken hold of, and let go of the rest."""
        runtime = self._runtime
        claimed: list[ClaimedJob] = []
        try:
            if ids:
                limits = caps(runtime.loaded)
                claimed = job_claims.claim(runtime.database, runtime.worker_id, ids, limits)
        except StoreUnavailable as error:
            logger.warning("claims.unavailable", jobs=len(ids), error=str(error))
            self._undo_claim(broker, ids)
        finally:
            self._holding.drop(set(ids) - {one.id for one in claimed})
        return claimed

    def _undo_claim(self, broker: Broker, ids: Sequence[str]) -> None:
        """Give back what was claimed if the commit did happen: nobody would ever work on it."""
        runtime = self._runtime
        undone = insist(
            lambda: job_claims.release_unconfirmed(runtime.database, runtime.worker_id, ids),
            runtime.stopping,
        )
        if undone is not None and undone.written:
            logger.warning("claims.undone", jobs=undone.written)
            self._pass_on(broker, undone)

    def _record(self, broker: Broker, claimed: ClaimedJob, result: JobResult) -> None:
        """Record a job as it is, else in plain words: it must not be held for ever."""
        for told in (result, _UNRECORDABLE):
            settled = self._settle(claimed, told)
            try:
                recorded = self._write(settled)
            except Exception:
                logger.exception("claims.rejected", job_id=claimed.id)
                continue
            if recorded is not None:
                self._tell(claimed, settled, recorded)
                wake_jobs(_wakes(broker), recorded.due)
            return
        end_process()

    def _settle(self, claimed: ClaimedJob, result: JobResult) -> SettledJob:
        spec = spec_of(self._runtime.loaded, claimed.kind)
        policy = spec.policy if spec else retry_policy(DEFAULT_MAX_RETRIES)
        return settle_job(claimed, result, policy, now_ms(), random.random)

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
                observing.changed_job(change)

    def _release(self, broker: Broker, claimed: ClaimedJob) -> None:
        runtime = self._runtime
        released = insist(
            lambda: job_claims.release(runtime.database, runtime.worker_id, [claimed]),
            runtime.stopping,
        )
        if released is not None:
            self._pass_on(broker, released)

    def _pass_on(self, broker: Broker, released: RecordedJobs) -> None:
        for change in released.changes:
            observing.changed_job(change)
        wake_jobs(_wakes(broker), released.due)

    def _leave(self, broker: Broker, kind: str) -> None:
        wake_jobs(_wakes(broker), self._bulkhead.leave(kind))


def _wakes(broker: Broker) -> WakeBroker:
    assert isinstance(broker, WakeBroker)
    return broker
