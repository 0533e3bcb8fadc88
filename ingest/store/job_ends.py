"""How a job ends, and what that means for those that wait for it: all in one transaction.

A link is followed when its job makes the transition, which happens once: the UPDATE asks for the
state that it leaves. So a callback becomes due once, and an errback too, whatever crashes or is
repeated. Transitions of one workflow take turns, so that the last two members, ending at the same
moment, see each other.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, select, update

from ingest.jobs.states import FINAL, JobChange, JobRef, JobState
from ingest.store.accept import PUBLISH_GRACE_MS
from ingest.store.dialect import lock_names, now
from ingest.store.given import among_given, given_ids
from ingest.store.job_rows import IS_PENDING, ref_from
from ingest.store.job_schema import job_links, jobs

UPSTREAM_FAILED = "upstream_failed"
UPSTREAM_REVOKED = "upstream_revoked"
NOT_NEEDED = "not_needed"

_REASONS = {
    UPSTREAM_FAILED: "A job that this one waited for failed for good.",
    UPSTREAM_REVOKED: "A job that this one waited for was revoked.",
    NOT_NEEDED: "Nothing failed that this job was to follow.",
}


@dataclass(frozen=True, slots=True)
class Followed:
    """Jobs that may start now, and those that never will, because others have ended."""

    due: list[JobRef] = field(default_factory=list)
    revoked: list[JobChange] = field(default_factory=list)


def lock_workflows(tx: Connection, job_ids: Collection[str]) -> None:
    """Let nobody else change the workflows of these jobs until the transaction ends.

    Before any of their rows is locked, or two transactions could wait for each other.
    """
    wanted = select(jobs.c.workflow_id).where(
        jobs.c.id.in_(job_ids), jobs.c.workflow_id.is_not(None)
    )
    lock_names(tx, set(tx.execute(wanted.distinct()).scalars()))


def follow(tx: Connection, ended: Mapping[str, JobState]) -> Followed:
    """Follow the links of jobs that have just ended; return those that may start now.

    What can never start any more is revoked, and what waits for that, too. The caller has locked
    their workflows. The wake times of what may start are a little later, so that the caller can
    publish it first.
    """
    found = Followed()
    moment = now(tx)
    while ended:
        found.due.extend(_start(tx, _successors(tx, ended), moment))
        found.due.extend(_start(tx, _errbacks(tx, ended), moment))
        revoked = _revoke_waiting(tx, ended, moment)
        found.revoked.extend(revoked)
        ended = {one.id: one.state for one in revoked}
    return found


def _successors(tx: Connection, ended: Mapping[str, JobState]) -> Counter[str]:
    """Count, by job, how many of those that it waits for have just succeeded."""
    return _waiting_for(tx, _in_state(ended, JobState.SUCCESS), JobState.SUCCESS)


def _errbacks(tx: Connection, ended: Mapping[str, JobState]) -> Counter[str]:
    """Name the jobs that were to follow a failure: the first is enough, and they count one."""
    found = _waiting_for(tx, _in_state(ended, JobState.FAILURE), JobState.FAILURE)
    return Counter(found.keys())


def _waiting_for(tx: Connection, before: Collection[str], on: JobState) -> Counter[str]:
    if not before:
        return Counter()
    links = select(job_links.c.after_id, func.count().label("links")).where(
        among_given(job_links.c.before_id), job_links.c.on_state == on
    )
    found = tx.execute(links.group_by("after_id"), given_ids(before))
    return Counter({row.after_id: row.links for row in found})


def _start(tx: Connection, counts: Counter[str], moment: int) -> list[JobRef]:
    """Count down what jobs wait for; those that wait for nothing more become due."""
    due: list[JobRef] = []
    for job_id, count in sorted(counts.items()):
        left = jobs.c.remaining - count
        awake = and_(left == 0, jobs.c.paused_at.is_(None))
        counted = (
            update(jobs)
            .where(jobs.c.id == job_id, IS_PENDING, jobs.c.remaining >= count)
            .values(
                remaining=left,
                due_at=moment,
                wake_at=case((awake, moment + PUBLISH_GRACE_MS)),
            )
        )
        row = tx.execute(counted.returning(jobs)).first()
        if row is not None and row.wake_at is not None:
            due.append(ref_from(row))
    return due


def _revoke_waiting(tx: Connection, ended: Mapping[str, JobState], moment: int) -> list[JobChange]:
    """Revoke what waited in vain for jobs that have just ended; it has ended then, too."""
    revoked: list[JobChange] = []
    for state, code in (
        (JobState.FAILURE, UPSTREAM_FAILED),
        (JobState.REVOKED, UPSTREAM_REVOKED),
    ):
        waiting = _waiting_for(tx, _in_state(ended, state), JobState.SUCCESS)
        revoked += _revoke(tx, waiting, code, moment)
    on_failure = _waiting_for(tx, ended, JobState.FAILURE)
    return revoked + _revoke(tx, on_failure, NOT_NEEDED, moment, _none_left())


def _revoke(
    tx: Connection, ids: Collection[str], code: str, moment: int, *only: ColumnElement[bool]
) -> list[JobChange]:
    if not ids:
        return []
    waits = and_(among_given(jobs.c.id), IS_PENDING, jobs.c.remaining > 0, *only)
    revoked = update(jobs).where(waits).values(revoked_values(code, _REASONS[code], moment))
    returning = revoked.returning(jobs.c.id, jobs.c.kind, jobs.c.trace_id)
    rows = tx.execute(returning, given_ids(ids))
    return [JobChange(row.id, row.kind, row.trace_id, JobState.REVOKED, code) for row in rows]


def revoked_values(code: str, message: str, moment: int) -> dict[str, Any]:
    """Spell what becomes of a pending job that will never start."""
    return {
        "state": JobState.REVOKED,
        "wake_at": None,
        "finished_at": moment,
        "error_code": code,
        "error_message": message,
    }


def _none_left() -> ColumnElement[bool]:
    """Whether every job that could still start this one, by failing, has ended."""
    before = jobs.alias("before")
    return ~exists().where(
        job_links.c.after_id == jobs.c.id,
        job_links.c.before_id == before.c.id,
        before.c.state.not_in(sorted(FINAL)),
    )


def _in_state(ended: Mapping[str, JobState], state: JobState) -> list[str]:
    return sorted(id_ for id_, found in ended.items() if found is state)
