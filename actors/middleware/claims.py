"""Deliveries are claimed before an actor runs and recorded after it, each in one transaction.

This is the only place where workers change deliveries. A claim counts the start before anything
happens, so no crash goes uncounted; a record is written until the database has it, so no row stays
running under a process that forgot it. What was not begun, because the process stops or because
its neighbours take long, is given back.
"""
# ruff: noqa: ARG002 - the signatures are dramatiq's

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import structlog
from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.middleware.time_limit import TimeLimitExceeded

from actors import observing
from actors.batch import CURRENT, UNFINISHED, Batch, Outcome
from actors.middleware.bulkhead import Bulkhead
from actors.middleware.holding import Holding
from actors.middleware.insisting import insist
from actors.middleware.limits import end_process
from actors.publishing import wake_deliveries
from actors.runtime import Runtime
from ingest import routing
from ingest.errors import StoreUnavailable
from ingest.events import (
    AttemptOutcome,
    AttemptResult,
    Claimed,
    DeliveryRef,
    Settled,
)
from ingest.failpoints import reached
from ingest.lifecycle import settle
from ingest.queue import ACTORS, ALONE, WakeBroker
from ingest.store import claims

logger = structlog.get_logger(__name__)

#: A kind for each actor: on the wire, the actor is all that is left of it.
_KINDS = {actor: kind for kind, actor in ACTORS.items()}

_TIMED_OUT = AttemptResult(
    AttemptOutcome.TIMED_OUT, "timeout", "It was stopped at its time limit and did not react."
)
_UNRECORDABLE = AttemptResult(
    AttemptOutcome.RETRYABLE,
    "unrecordable",
    "The attempt's own outcome could not be stored; the worker's log has it.",
)


class Claims(Middleware):
    """Claims for the actors that make attempts; others pass untouched."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._bulkhead: Bulkhead[DeliveryRef] = Bulkhead(runtime.threads)
        self._holding = Holding()

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Learn how many threads there are to share."""
        self._bulkhead = Bulkhead(worker.worker_threads)

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Claim a message's deliveries; without any the actor finds nothing to do."""
        CURRENT.set(None)
        if message.actor_name not in _KINDS or self._runtime.stopping.is_set():
            return
        destination = _destination(message)
        if not self._bulkhead.enter(destination, _refs(message)):
            return
        claimed: Sequence[Claimed] = ()
        try:
            claimed = self._claim(broker, self._holding.take(message.kwargs["ids"]))
        finally:
            if not claimed:
                self._leave(broker, destination)
        if claimed:
            # First of all: whatever fails from here on is accounted for.
            CURRENT.set(Batch(claimed, partial(self._record_some, broker)))
            observing.claimed(claimed)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Write down what became of every delivery that was claimed."""
        batch = CURRENT.get()
        if batch is None:
            return
        CURRENT.set(None)
        held = batch.held()
        outcomes = batch.outcomes(_TIMED_OUT if _timed_out(exception) else UNFINISHED)
        untouched = batch.untouched()
        freed: list[DeliveryRef] = []
        try:
            if exception is not None and not self._runtime.stopping.is_set():
                # A fault of ours, which would be back at once: they wait as after a failure.
                outcomes, untouched = [*outcomes, *map(_not_begun, untouched)], []
            freed += self._record(outcomes)
            freed += self._release(untouched)
        finally:
            self._let_go(broker, held, freed)
            self._leave(broker, _destination(message))

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Give back what was claimed: a middleware of the user's own skipped the message."""
        self.after_process_message(broker, message)

    def _claim(self, broker: Broker, ids: Sequence[str]) -> list[Claimed]:
        """Claim what this thread has taken hold of, and let go of the rest."""
        loaded, runtime = self._runtime.loaded, self._runtime
        caps = routing.caps(loaded.config, loaded.handlers)
        claimed: list[Claimed] = []
        freed: list[DeliveryRef] = []
        try:
            if ids:
                claimed = claims.claim(runtime.database, runtime.worker_id, ids, caps)
                reached("claim.after_commit")
        except StoreUnavailable as error:
            logger.warning("claims.unavailable", deliveries=len(ids), error=str(error))
            freed = self._undo_claim(ids)
        finally:
            self._let_go(broker, set(ids) - {one.delivery_id for one in claimed}, freed)
        return claimed

    def _let_go(self, broker: Broker, ids: Iterable[str], freed: Sequence[DeliveryRef]) -> None:
        """Drop ids, and only then publish: a thread that is woken before finds them held."""
        self._holding.drop(ids)
        wake_deliveries(_wakes(broker), freed)

    def _undo_claim(self, ids: Sequence[str]) -> list[DeliveryRef]:
        """Give back what was claimed if the commit did happen: nobody would ever work on it."""
        runtime = self._runtime
        refs = insist(
            lambda: claims.release_unconfirmed(runtime.database, runtime.worker_id, ids),
            runtime.stopping,
        )
        if refs:
            logger.warning("claims.undone", deliveries=len(refs))
        return refs or []

    def _record_some(self, broker: Broker, outcomes: Sequence[Outcome]) -> None:
        """Record on the way; what is to be tried again may come back before the batch ends."""
        freed = self._record(outcomes)
        self._let_go(broker, (outcome.claimed.delivery_id for outcome in outcomes), freed)

    def _record(self, outcomes: Sequence[Outcome]) -> list[DeliveryRef]:
        """Write outcomes down; return what may be claimed now because of them."""
        if not outcomes:
            return []
        settled = [self._settle(outcome) for outcome in outcomes]
        try:
            freed = self._write(settled)
        except Exception:
            logger.exception("claims.batch_rejected", deliveries=len(settled))
            freed = [ref for outcome in outcomes for ref in self._write_alone(outcome)]
        reached("record.after_commit")
        claimed = [outcome.claimed for outcome in outcomes]
        observing.attempted(claimed[0].destination, list(zip(claimed, settled, strict=True)))
        return freed

    def _settle(self, outcome: Outcome, result: AttemptResult | None = None) -> Settled:
        loaded = self._runtime.loaded
        return settle(
            outcome.claimed,
            result or outcome.result,
            routing.policy(loaded.config, loaded.handlers, outcome.claimed.destination),
            outcome.finished_at,
            random.random,
            started_at=outcome.started_at,
        )

    def _write(self, settled: Sequence[Settled]) -> list[DeliveryRef]:
        """Record until the database has it, or until a stopping process has to give up."""
        loaded, runtime = self._runtime.loaded, self._runtime
        caps = routing.caps(loaded.config, loaded.handlers)
        recorded = insist(
            lambda: claims.record(runtime.database, runtime.worker_id, settled, caps),
            runtime.stopping,
        )
        if recorded is None:
            return []
        if recorded.fenced:
            logger.warning("claims.fenced", deliveries=recorded.fenced)
        return recorded.freed

    def _write_alone(self, outcome: Outcome) -> list[DeliveryRef]:
        """Record one delivery of a batch that was rejected: as it is, else in plain words."""
        for result in (outcome.result, _UNRECORDABLE):
            try:
                return self._write([self._settle(outcome, result)])
            except Exception:
                logger.exception("claims.rejected", delivery_id=outcome.claimed.delivery_id)
        end_process()  # it would stay running for ever under this live process
        return []

    def _release(self, untouched: Sequence[Claimed]) -> list[DeliveryRef]:
        """Give back what nobody began to work on; return what may be claimed now."""
        if not untouched:
            return []
        try:
            refs = claims.release(self._runtime.database, self._runtime.worker_id, untouched)
        except StoreUnavailable as error:
            logger.warning("claims.not_released", deliveries=len(untouched), error=str(error))
            return self._record([_not_begun(claimed) for claimed in untouched])
        # Slow ones each by itself, for as many threads as there are.
        slow = not self._runtime.stopping.is_set()
        return [replace(ref, alone=slow) for ref in refs]

    def _leave(self, broker: Broker, destination: str) -> None:
        wake_deliveries(_wakes(broker), self._bulkhead.leave(destination))


def _timed_out(exception: BaseException | None) -> bool:
    """Whether the limit ended it; dramatiq wraps that where a coroutine ignores its cancelling."""
    ends = (exception, exception.__cause__) if exception is not None else ()
    return any(isinstance(one, TimeLimitExceeded) for one in ends)


def _not_begun(claimed: Claimed) -> Outcome:
    return Outcome(claimed, UNFINISHED, claimed.started_at, claimed.started_at)


def _destination(message: MessageProxy) -> str:
    return str(message.kwargs["destination"])


def _refs(message: MessageProxy) -> list[DeliveryRef]:
    kind = _KINDS[message.actor_name]
    alone = bool(message.options.get(ALONE))
    return [
        DeliveryRef(id_, _destination(message), kind, message.queue_name, alone)
        for id_ in message.kwargs["ids"]
    ]


def _wakes(broker: Broker) -> WakeBroker:
    assert isinstance(broker, WakeBroker)
    return broker
