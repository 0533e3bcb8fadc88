"""The scheduler's look for schedules whose time has come.

The table is read when the next of them is due, when the configuration changes, and every few
seconds for what workers write there; the database's clock counts. Any number of schedulers may
look: who moves a schedule's row on makes its jobs, in the same transaction.
"""

import secrets
from collections.abc import Callable, Iterable

import structlog
import uuid_utils

from actors.publishing import wake_jobs
from ingest.config.model import Config
from ingest.jobs.kinds import Kinds
from ingest.jobs.workflow import plan
from ingest.queue import WakeBroker
from ingest.schedule_list import firing
from ingest.schedules import MOST_AT_ONCE, Schedule, due
from ingest.store import Database
from ingest.store import schedules as store

logger = structlog.get_logger(__name__)

#: How late a schedule may be heard of that a worker has just written down.
LOOK_MS = 5_000


class Firing:
    """Makes the jobs of schedules. ``known``: the configuration now."""

    def __init__(self, database: Database, broker: WakeBroker, known: Callable[[], Config]) -> None:
        self._database = database
        self._broker = broker
        self._known = known
        self._config: Config | None = None
        self._look_at = 0

    def step(self, now: int) -> bool:
        """Make what is due; whether there is more to make at once. Raises StoreUnavailable.

        ``now`` (ms): of a clock that is never set back; it only says when to look again.
        """
        config = self._known()
        if now < self._look_at and config is self._config:
            return False
        moment, rows = store.look(self._database)
        wanted = firing(config, rows)
        if new := wanted.keys() - rows.keys():
            store.enter(self._database, new)
        if off := {name: rows[name] for name in config.schedules.disabled & rows.keys()}:
            store.rest(self._database, off)
        old = [(wanted[name], rows[name].fired_until) for name in sorted(wanted.keys() & rows)]
        full = [self._fire(schedule, since, moment) for schedule, since in old]
        self._config = config
        self._look_at = now if any(full) else now + _until_next(wanted.values(), moment)
        return any(full)

    def _fire(self, schedule: Schedule, since: int, moment: int) -> bool:
        found = due(schedule.times, schedule.catch_up, since, moment)
        if not found.moments:
            return False
        fires = [_fire(schedule, at) for at in found.moments]
        refs = store.fire(self._database, schedule.name, since, found.until, fires)
        if refs:
            logger.info("schedule.fired", schedule=schedule.name, jobs=len(refs))
            wake_jobs(self._broker, refs)
        return len(found.moments) >= MOST_AT_ONCE


def _fire(schedule: Schedule, at: int) -> store.Fire:
    planned = plan(schedule.call, Kinds({}).queue_of, lambda: str(uuid_utils.uuid7()))
    return store.Fire(at, planned, secrets.token_hex(16))


def _until_next(schedules: Iterable[Schedule], moment: int) -> int:
    """How long until the next of them is due, or the table is to be read again (ms)."""
    following = (next(one.times.after(moment), None) for one in schedules)
    return min([LOOK_MS, *(at - moment for at in following if at is not None)])
