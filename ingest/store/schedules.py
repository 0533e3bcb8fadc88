"""Until when schedules are seen to, and those that users' modules mark.

Schedules of hookkeeper.toml are known to every process that reads it. Those in users' modules are
known only to workers, who import them, so workers write them down for the schedulers: the worker
that started last says which there are. So each step of a rolling deployment takes effect at once,
and when it is through, what stands here is what the new code marks. One that is not marked any
more stays without its ``marked``, and does not fire: if a worker with the older code starts once
more meanwhile, and then one with the newer, nothing of it is missed. ``forget`` takes it later.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from ingest.jobs.states import JobRef, Plan
from ingest.schedules import MISSED_MS
from ingest.store.database import Database
from ingest.store.dialect import insert, now, now_ms
from ingest.store.job_schema import jobs, schedules
from ingest.store.jobs import create_in


@dataclass(frozen=True, slots=True)
class Standing:
    """A schedule's row. ``marked``: JSON of one that a user's module marks."""

    fired_until: int
    marked: str | None


@dataclass(frozen=True, slots=True)
class Fire:
    """A moment (ms) that is to have a job, and that job."""

    at: int
    plan: Plan
    trace_id: str


def sync(db: Database, marked: Mapping[str, str]) -> None:
    """Write down what this worker's modules mark, by name, in place of what stood there.

    A name that is new counts from now: what would have been before it was there is not missed.
    """
    with db.write() as tx:
        before = {name: one.marked for name, one in _rows(tx).items() if one.marked is not None}
        for name in sorted(before.keys() - marked.keys()):
            gone = update(schedules).where(schedules.c.name == name)
            tx.execute(gone.values(marked=None))
        for name, text in sorted(marked.items()):
            if before.get(name) != text:
                row = insert(tx, schedules).values(name=name, fired_until=now_ms(), marked=text)
                own = [schedules.c.name]
                tx.execute(row.on_conflict_do_update(index_elements=own, set_={"marked": text}))


def look(db: Database) -> tuple[int, dict[str, Standing]]:
    """Return the time (ms), and the schedules by name."""
    with db.read() as tx:
        return now(tx), _rows(tx)


def enter(db: Database, names: Collection[str]) -> None:
    """Let schedules that are new count from now."""
    with db.write() as tx:
        for name in sorted(names):
            row = insert(tx, schedules).values(name=name, fired_until=now_ms())
            tx.execute(row.on_conflict_do_nothing())


def rest(db: Database, disabled: Mapping[str, Standing]) -> None:
    """Let nothing be missed of what is disabled: enabled again, it counts from then."""
    with db.write() as tx:
        late = now(tx) - MISSED_MS
        for name, standing in sorted(disabled.items()):
            own = schedules.c.name == name
            if standing.marked is None:
                tx.execute(delete(schedules).where(own, schedules.c.marked.is_(None)))
            elif standing.fired_until < late:
                tx.execute(update(schedules).where(own).values(fired_until=now_ms()))


def fire(
    db: Database, name: str, since: int, until: int, fires: Sequence[Fire]
) -> list[JobRef] | None:
    """Make the jobs of a schedule's moments in (since, until], all or none.

    None: another scheduler saw to them first. The row decides; that no moment has two jobs the
    database also keeps by itself.
    """
    with db.write() as tx:
        own = (schedules.c.name == name, schedules.c.fired_until == since)
        taken = update(schedules).where(*own).values(fired_until=until)
        if tx.execute(taken.returning(schedules.c.name)).first() is None:
            return None
        made = [
            create_in(tx, one.plan, one.trace_id, {"schedule": name, "fire_at": one.at})
            for one in fires
        ]
    return [ref for one in made for ref in one.due]


def last_fires(db: Database, names: Collection[str]) -> dict[str, int]:
    """Return for which moment (ms) each schedule last made a job that is still known."""
    last = select(jobs.c.schedule, func.max(jobs.c.fire_at).label("at"))
    with db.read() as tx:
        found = tx.execute(last.where(jobs.c.schedule.in_(sorted(names))).group_by(jobs.c.schedule))
        return {row.schedule: row.at for row in found}


def forget(db: Database, known: Collection[str], keep_ms: int) -> int:
    """Delete the rows of schedules that are neither marked nor ``known``, and old; how many."""
    with db.write() as tx:
        nobodys = (schedules.c.marked.is_(None), schedules.c.name.not_in(sorted(known)))
        old = schedules.c.fired_until < now(tx) - keep_ms
        gone = delete(schedules).where(*nobodys, old).returning(schedules.c.name)
        return len(tx.execute(gone).all())


def _rows(tx: Connection) -> dict[str, Standing]:
    return {
        row.name: Standing(row.fired_until, row.marked) for row in tx.execute(select(schedules))
    }
