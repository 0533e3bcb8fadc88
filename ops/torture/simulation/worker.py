"""A worker process as the store sees one: it claims, works, records, and may die in between.

A thread is a generator: each ``yield`` is a place where its process may be killed, or stopped for
so long that others take it for dead. What it does between two is one transaction, or one effect
outside, as in ``actors/middleware``.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.backoff import RetryPolicy
from ingest.events import (
    AttemptOutcome,
    AttemptResult,
    Claimed,
    DestinationKind,
    Settled,
    Target,
)
from ingest.jobs.states import ClaimedJob, JobOutcome, JobResult, Order, Progress, Told
from ingest.lifecycle import settle, settle_job
from ingest.store import claims, dispatch, job_claims, workers
from ops.torture.simulation.outside import CAPS, JOB_CAPS, ROUTES
from ops.torture.simulation.watch import CHILD_ENDED
from ops.torture.simulation.wire import Message

if TYPE_CHECKING:
    from ops.torture.simulation.world import World

POLICY = RetryPolicy(base_ms=2_000, cap_ms=60_000, attempts=5)
UNKNOWN_COMMIT, LEAVES_SOME, RECORDS_TWICE = 0.04, 0.08, 0.03

SUCCEEDED = AttemptResult(AttemptOutcome.SUCCEEDED, "ok", status=200)
FAILED = AttemptResult(AttemptOutcome.RETRYABLE, "http_503", status=503)
GONE = AttemptResult(AttemptOutcome.PERMANENT, "http_410", status=410)
CRASHED = AttemptResult(AttemptOutcome.CRASHED, "exit_1", CHILD_ENDED)


class Died(Exception):
    """A handler has ended the process that ran it."""


class Worker:
    """One process with two threads. ``stopped``: it lives, and does nothing (SIGSTOP)."""

    def __init__(self, world: "World", worker_id: str) -> None:
        self.id = worker_id
        self.stopped = False
        self._world = world
        self._threads: list[Iterator[None] | None] = [None, None]
        self._holding: set[str] = set()  # as actors/middleware/holding.py: one thread a row
        self.register()

    @property
    def idle(self) -> bool:
        """Whether no thread has anything to do."""
        return not any(self._threads)

    def register(self) -> None:
        """Take a lease."""
        workers.register(self._world.database, self.id, "host", 1)

    def renew(self) -> None:
        """Renew the lease, or take a new one where this process was declared dead."""
        if not workers.renew(self._world.database, self.id):
            self.register()

    def step(self) -> str:
        """Let one thread come to its next place. Raises Died."""
        number = self._world.chance.randrange(len(self._threads))
        thread = self._threads[number]
        if thread is None:
            message = self._world.wire.take()
            if message is None:
                return "idle"
            thread = self._threads[number] = self._process(message)
        try:
            next(thread)
        except StopIteration:
            self._threads[number] = None
        return "works"

    def _process(self, message: Message) -> Iterator[None]:
        if message.work == "events":
            yield from self._dispatch(message.ids)
            return
        ids = tuple(id_ for id_ in message.ids if id_ not in self._holding)
        self._holding.update(ids)
        yield from self._deliver(ids) if message.work == "deliveries" else self._run_jobs(ids)
        self._holding.difference_update(ids)

    def _dispatch(self, ids: tuple[str, ...]) -> Iterator[None]:
        events = dispatch.undispatched(self._world.database, ids)
        yield
        plans = [(event, targets(event.type)) for event in events]
        refs = dispatch.dispatch(self._world.database, plans)
        yield
        self._world.wire.publish_deliveries(refs)

    def _deliver(self, ids: tuple[str, ...]) -> Iterator[None]:
        world = self._world
        claimed = claims.claim(world.database, self.id, ids, CAPS)
        yield
        if world.chance.happens(UNKNOWN_COMMIT):  # its connection broke: what did the claim take?
            refs = claims.release_unconfirmed(world.database, self.id, ids)
            yield
            world.wire.publish_deliveries(refs)
            return
        begun = len(claimed)
        if world.chance.happens(LEAVES_SOME):
            begun = world.chance.randrange(len(claimed) + 1)
        settled: list[Settled] = []
        for one in claimed[:begun]:
            result = self._attempt(one)
            world.outside.came_to[one.delivery_id, one.starts] = result.outcome
            settled.append(settle(one, result, POLICY, world.time.wall, world.chance.random))
            yield
            if world.chance.happens(0.2):
                yield from self._record(settled)
                settled = []
        yield from self._record(settled)
        if begun < len(claimed):
            refs = claims.release(world.database, self.id, claimed[begun:])
            yield
            world.wire.publish_deliveries(refs)

    def _record(self, settled: list[Settled]) -> Iterator[None]:
        """Write outcomes, a second time where the first answer was lost."""
        times = 2 if self._world.chance.happens(RECORDS_TWICE) else 1
        for _ in range(times):
            recorded = claims.record(self._world.database, self.id, settled, CAPS)
            yield
            self._world.wire.publish_deliveries(recorded.freed)

    def _attempt(self, claimed: Claimed) -> AttemptResult:
        event, world = claimed.event, self._world
        if claimed.destination == "shop":
            if event.type == "poison":
                return self._poisoned(claimed)
            world.outside.book(event)
            return FAILED if world.chance.happens(0.1) else SUCCEEDED
        if claimed.destination == "gone":
            return GONE
        if world.chance.happens(0.5 if claimed.destination == "flaky" else 0.1):
            return FAILED
        world.outside.post(claimed.delivery_id, event)
        return SUCCEEDED

    def _poisoned(self, claimed: Claimed) -> AttemptResult:
        """End the process: this one, or a child of its own for what is suspected already."""
        if claimed.crashes:
            return CRASHED
        self._world.outside.killed[claimed.delivery_id] += 1
        raise Died

    def _run_jobs(self, ids: tuple[str, ...]) -> Iterator[None]:
        world = self._world
        claimed = job_claims.claim(world.database, self.id, ids, JOB_CAPS)
        yield
        if world.chance.happens(UNKNOWN_COMMIT):
            given_back = job_claims.release_unconfirmed(world.database, self.id, ids)
            yield
            world.wire.publish_jobs(given_back.due)
            return
        for one in claimed:
            world.watch.check_results(one)
            if world.chance.happens(LEAVES_SOME):
                given_back = job_claims.release(world.database, self.id, [one])
                yield
                world.wire.publish_jobs(given_back.due)
                continue
            yield from self._work(one)

    def _work(self, claimed: ClaimedJob) -> Iterator[None]:
        world = self._world
        order = Order.GO_ON
        if world.chance.happens(0.5):
            told = Told(claimed.id, claimed.starts, Progress("half", 1, 2))
            order = job_claims.save_progress(world.database, self.id, [told])[claimed.id]
            yield
        result = self._result(claimed, order)
        if result is None:
            return
        yield
        settled = settle_job(claimed, result, POLICY, world.time.wall, world.chance.random)
        for _ in range(2 if world.chance.happens(RECORDS_TWICE) else 1):
            recorded = job_claims.record(world.database, self.id, [settled], JOB_CAPS)
            yield
            world.wire.publish_jobs(recorded.due)

    def _result(self, claimed: ClaimedJob, order: Order) -> JobResult | None:
        """Do what somebody ordered, else the work; None: it is not this worker's any more."""
        match order:
            case Order.LOST:
                return None
            case Order.CANCEL:
                return JobResult(JobOutcome.CANCELLED, "cancelled")
            case Order.PAUSE:
                return JobResult(JobOutcome.PAUSED)
            case Order.GO_ON:
                return self._done(claimed)

    def _done(self, claimed: ClaimedJob) -> JobResult:
        world = self._world
        if claimed.kind == "deadly":
            if claimed.crashes:
                return JobResult(JobOutcome.CRASHED, "exit_1", CHILD_ENDED)
            world.outside.killed[claimed.id] += 1
            raise Died
        if claimed.kind == "hopeless":
            return JobResult(JobOutcome.PERMANENT, "permanent")
        if world.chance.happens(0.15):
            return JobResult(JobOutcome.RETRYABLE, "job_error")
        world.outside.done[claimed.id] += 1
        return JobResult(JobOutcome.SUCCEEDED, result=f'"{claimed.id}.{claimed.starts}"')


def targets(type_: str) -> tuple[Target, ...]:
    """Route an event, as the configuration would."""
    kinds = {"shop": DestinationKind.PYTHON}
    return tuple(
        Target(name, kinds.get(name, DestinationKind.HTTP), "deliver") for name in ROUTES[type_]
    )
