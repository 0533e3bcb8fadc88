"""``python -m actors.scheduler``: publishes what is due, fires schedules, frees what died, counts.

Any number may run: every step is one conditional transaction that a second scheduler finds done.
Without the database it waits, without the broker it leaves the wake times alone, so that
everything is published at once when the broker is back.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from actors.alerting import Alerting, refused_signatures
from actors.batch import now_ms
from actors.firing import Firing
from actors.publishing import wake_deliveries, wake_events, wake_jobs
from ingest import __version__, exposition, logs, metrics
from ingest.config.model import Config
from ingest.config.settings import Settings, load_settings
from ingest.config.snapshot import Snapshot
from ingest.errors import BrokerUnavailable, ConfigError, StoreRefused, StoreUnavailable
from ingest.failpoints import reached
from ingest.jobs.ends import changed_job
from ingest.queue import (
    DELIVER,
    DELIVERIES_A_MESSAGE,
    DISPATCH,
    JOBS,
    NOTIFY,
    PROCESS,
    WakeBroker,
    build_broker,
    depth,
)
from ingest.store import Database, job_claims, ledger, open_database, set_back, wake, workers
from ingest.verify.catalogue import load_catalogue

logger = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
LIMIT = 1_000  # rows a step and tick; a full step is followed by another tick at once
#: A queue with this many messages gets no more: it holds up to 10,000 ids already, and publishing
#: again what only waits its turn would make a backlog grow.
QUEUE_LIMIT = 10_000 // DELIVERIES_A_MESSAGE
#: After an outage of the database, live workers need this long to renew their leases.
CONTACT_MS = 4_000
#: A clock that is corrected by less than this has not been set back.
SET_BACK_MS = 2_000
GAUGES_SECONDS = 5.0
#: Counting a long backlog takes long (measured for a million: 0.3 s from memory, 8 s from disk). It
#: has 2 % of the time, and a thread of its own, so that nothing that is due waits behind it. But no
#: count is left to grow older than half a minute: one that hung for 4 s, on a database that had
#: died, was followed by minutes of figures from before its death.
GAUGES_SHARE = 0.02
GAUGES_LONGEST_SECONDS = 30.0
#: Each look checks so many of the newest rows of the ledger, and as many of all the others in turn
#: (measured with 10 million: 50 ms from memory; it has seen all of them after 83 minutes).
LEDGER_ROWS = 10_000
_WAIT_SECONDS = 2.0  # between two tries to open the database, and for a count at the end


class Scheduler:
    """The steps of a scheduler. ``tick`` is the only clockwork.

    It takes the time (ms) of a clock that is never set back, or a step would wait for it.
    ``told``: the depths (queue, state) that a scheduler before this one has told.
    """

    def __init__(
        self,
        database: Database,
        broker: WakeBroker,
        known: Callable[[], Config],
        alerting: Alerting | None = None,
        told: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._database = database
        self._broker = broker
        self._firing = Firing(database, broker, known)
        self._alerting = alerting
        self._queues = {DELIVER, PROCESS, NOTIFY, JOBS}
        self._contact_since: int | None = None
        self._seen_depths = set(told)
        self._audit = ledger.Audit(database, LEDGER_ROWS)
        self._ahead: int | None = None  # is the database's clock, of one that is never set back

    def tick(self, now: int) -> bool:
        """Do what is due at ``now``; whether there is more to do at once. Never raises."""
        try:
            more = self._steps(now)
        except StoreUnavailable as error:
            if self._contact_since is not None:
                logger.warning("scheduler.no_database", error=str(error))
            self._contact_since = None
            metrics.DEPENDENCY_UP.labels("database").set(0)
            return False
        except Exception:
            logger.exception("scheduler.step_failed")
            return False
        if self._contact_since is None:
            self._contact_since = now
        metrics.DEPENDENCY_UP.labels("database").set(1)
        metrics.SCHEDULER_TICK_TIMESTAMP_SECONDS.set_to_current_time()
        return more

    def look(self) -> None:
        """Count what waits, and check the ledger, for the metrics. Never raises."""
        try:
            self._gauge()
        except StoreUnavailable as error:
            logger.warning("scheduler.not_counted", error=str(error))
        except Exception:
            logger.exception("scheduler.count_failed")

    def rested(self, milliseconds: int) -> None:
        """Note how long nothing was done: far too long means that the machine was suspended.

        Then no lease was renewed either, and live workers need the same moment as after an outage.
        """
        if milliseconds > CONTACT_MS:
            logger.warning("scheduler.was_suspended", seconds=milliseconds // 1_000)
            self._contact_since = None

    def _steps(self, now: int) -> bool:
        self._mind_the_clock(now)
        more = self._publish_due()
        if self._contact_since is not None and now - self._contact_since >= CONTACT_MS:
            more |= self._free()
        return self._firing.step(now) or more

    def _mind_the_clock(self, now: int) -> None:
        """Wake what sleeps by a clock that was set back, now or while nobody looked."""
        with self._database.read() as tx:
            ahead = self._database.now(tx) - now
        if self._ahead is None or ahead < self._ahead - SET_BACK_MS:
            woken = set_back.make_due(self._database)
            if woken:
                logger.warning("scheduler.clock_was_set_back", woken=woken)
        self._ahead = ahead

    def _publish_due(self) -> bool:
        try:
            full = {queue for queue in (*self._queues, DISPATCH) if self._is_full(queue)}
        except BrokerUnavailable as error:
            logger.warning("scheduler.no_broker", error=str(error))
            metrics.DEPENDENCY_UP.labels("broker").set(0)
            return False
        metrics.DEPENDENCY_UP.labels("broker").set(1)
        reached("scheduler.before_wake")
        events = [] if DISPATCH in full else wake.due_events(self._database, LIMIT)
        wake_events(self._broker, events)
        metrics.REPUBLISHED.labels(DISPATCH).inc(len(events))
        refs = wake.due_deliveries(self._database, LIMIT, full)
        if events or refs:
            reached("scheduler.after_wake")
        wake_deliveries(self._broker, refs)
        if events or refs:
            reached("scheduler.after_publish")
        jobs = wake.due_jobs(self._database, LIMIT, full)
        wake_jobs(self._broker, jobs)
        counts = Counter(ref.queue for ref in refs) + Counter(ref.queue for ref in jobs)
        for queue, count in counts.items():
            metrics.REPUBLISHED.labels(queue).inc(count)
            self._queues.add(queue)
        return LIMIT in {len(events), len(refs), len(jobs)}

    def _is_full(self, queue: str) -> bool:
        return depth(self._broker, queue) >= QUEUE_LIMIT

    def _free(self) -> bool:
        refs = workers.free_expired(self._database, LIMIT)
        jobs = job_claims.free_expired(self._database, LIMIT)
        if refs or jobs.written:
            reached("scheduler.after_free")
            metrics.FREED.inc(len(refs) + jobs.written)
            logger.warning("scheduler.freed", deliveries=len(refs), jobs=jobs.written)
            for change in jobs.changes:
                changed_job(change)
            wake_deliveries(self._broker, refs)
            wake_jobs(self._broker, jobs.due)
        return LIMIT in {len(refs), jobs.written}

    def _gauge(self) -> None:
        counts = {(one.queue, one.state): one for one in ledger.depths(self._database)}
        self._seen_depths.update(counts)
        for queue, state in self._seen_depths:
            one = counts.get((queue, state))  # nothing is in it any more: it is 0, not what it was
            metrics.DEPTH.labels(queue, state).set(one.count if one else 0)
            if state not in ledger.WORKED_ON:
                age_ms = (one.oldest_age_ms or 0) if one else 0
                metrics.OLDEST_AGE_SECONDS.labels(queue).set(age_ms / 1_000)
        for state, count in ledger.dead_letters(self._database).items():
            metrics.DEAD_LETTERS.labels(state).set(count)
        audited = self._audit.step()
        for name, count in ledger.violations(self._database, LEDGER_ROWS).items():
            self._report(name, max(count, audited.get(name, 0)))
        if self._alerting is not None:
            self._alerting.step(counts.values(), now_ms())

    def _report(self, name: str, count: int) -> None:
        metrics.VIOLATIONS.labels(name).set(count)
        if count:
            logger.error("ledger.violated", invariant=name, rows=count)


def run(settings: Settings, stopping: threading.Event) -> None:
    """Tick until ``stopping``. Raises ConfigError, StoreRefused."""
    snapshot = Snapshot(settings.config_path, os.environ, load_catalogue())
    database = _open(settings.database_url, stopping)
    if database is None:
        return
    server = exposition.serve(settings.metrics_host, settings.metrics_port, _metrics(settings))
    broker = build_broker(settings.broker_url, [])
    alerting = Alerting(
        database,
        broker,
        lambda: snapshot.config.alerts,
        lambda: refused_signatures(_metrics(settings)),
    )
    told = told_depths(_metrics(settings))
    scheduler = Scheduler(database, broker, lambda: snapshot.config, alerting, told)
    metrics.BUILD_INFO.labels(__version__).set(1)
    # A daemon: a long count must not keep a process that was told to stop.
    looking = threading.Thread(target=_look, args=(scheduler, stopping), daemon=True)
    looking.start()
    logger.info(
        "scheduler.started",
        retention_days=snapshot.config.retention_days,
        schedules=len(snapshot.config.schedules.active),
    )
    try:
        while not stopping.is_set():
            snapshot.refresh()
            if not scheduler.tick(time.monotonic_ns() // 1_000_000):
                rested_at = now_ms()  # unlike the monotonic clock it goes on in a suspended machine
                stopping.wait(TICK_SECONDS)
                scheduler.rested(now_ms() - rested_at)
    finally:
        stopping.set()
        looking.join(_WAIT_SECONDS)
        server.stop()
        database.close()
        broker.close()
        logger.info("scheduler.stopped")


def told_depths(directory: Path) -> set[tuple[str, str]]:
    """Return which depths (queue, state) this host's metrics tell.

    A dead scheduler's stay as they were, and a queue that is empty by now nobody else would set.
    """
    if not directory.exists():
        return set()  # no process of this host shares its metrics
    return {
        (sample.labels["queue"], sample.labels["state"])
        for metric in exposition.collect(directory)
        for sample in metric.samples
        if sample.name == "hookkeeper_depth"
    }


def _look(scheduler: Scheduler, stopping: threading.Event) -> None:
    """Count every few seconds, and less often what takes longer to count."""
    pause = 0.0
    while not stopping.wait(pause):
        began = time.monotonic()
        scheduler.look()
        pause = rest_seconds(time.monotonic() - began)


def rest_seconds(counted_seconds: float) -> float:
    """Return how long (s) to wait with the next count after one that took ``counted_seconds``."""
    wanted = counted_seconds / GAUGES_SHARE
    return min(max(GAUGES_SECONDS, wanted), GAUGES_LONGEST_SECONDS)


def main() -> None:
    """Run as a process: SIGTERM and Ctrl-C stop it in order."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    settings = load_settings(os.environ, Path.cwd())
    logs.configure(settings.log_level, settings.log_format)
    try:
        run(settings, stopping)
    except (ConfigError, StoreRefused) as error:
        raise SystemExit(f"The scheduler does not start: {error}") from None


def _metrics(settings: Settings) -> Path:
    return settings.data / "metrics"


def _open(url: str, stopping: threading.Event) -> Database | None:
    while not stopping.is_set():
        try:
            return open_database(url)
        except StoreUnavailable as error:
            metrics.DEPENDENCY_UP.labels("database").set(0)
            logger.warning("scheduler.waits_for_database", error=str(error))
            stopping.wait(_WAIT_SECONDS)
    return None


if __name__ == "__main__":
    main()
