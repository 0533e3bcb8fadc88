"""The tables of jobs, and the rules that the database itself keeps about them.

Columns that jobs share with deliveries have the same names and meanings (``schema.py``), so that
claims, leases and wake-ups read alike. ``migrations/versions`` holds the same as history.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from ingest.jobs.states import FINAL, HELD, JobState
from ingest.store.schema import NAME, metadata, one_of, only


def _in(states: frozenset[JobState]) -> str:
    spelled = ", ".join(f"'{state}'" for state in JobState if state in states)
    return f"state IN ({spelled})"


jobs = Table(
    "jobs",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("kind", NAME, nullable=False),
    Column("queue", NAME, nullable=False),
    Column("state", NAME, nullable=False),
    Column("arguments", Text, nullable=False),  # JSON: {"args": [...], "kwargs": {...}}
    # How many predecessors have yet to succeed; a job with none has a wake time, or is paused.
    Column("remaining", Integer, nullable=False, server_default="0"),
    Column("paused_at", BigInteger),
    Column("due_at", BigInteger, nullable=False),
    Column("wake_at", BigInteger),
    Column("worker_id", NAME),
    Column("claimed_at", BigInteger),
    # starts = attempts + crashes, plus one while a worker holds it.
    Column("starts", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("progress_step", Text),
    Column("progress_done", BigInteger),
    Column("progress_total", BigInteger),
    Column("progress_message", Text),
    Column("result", Text),  # JSON of what it returned, or where that lies
    Column("result_ref", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    # A key is the caller's; with other arguments than the first time it is a conflict.
    Column("idempotency_key", Text),
    Column("arguments_sha256", LargeBinary, nullable=False),
    Column("workflow_id", NAME),
    Column("schedule", NAME),
    Column("fire_at", BigInteger),
    Column("trace_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("cancel_requested_at", BigInteger),
    UniqueConstraint("kind", "idempotency_key"),
    UniqueConstraint("schedule", "fire_at"),  # any number of schedulers make one job
    one_of("state", JobState),
    CheckConstraint(
        "(state = 'pending' AND remaining = 0 AND paused_at IS NULL) = (wake_at IS NOT NULL)",
        name="wake",
    ),
    CheckConstraint(
        f"({_in(HELD)}) = (worker_id IS NOT NULL AND claimed_at IS NOT NULL)", name="claim"
    ),
    CheckConstraint(f"({_in(FINAL)}) = (finished_at IS NOT NULL)", name="finished"),
    CheckConstraint("(schedule IS NULL) = (fire_at IS NULL)", name="fire"),
)
Index("jobs_waiting", jobs.c.wake_at, jobs.c.due_at, jobs.c.queue, **only("wake_at IS NOT NULL"))
Index("jobs_held", jobs.c.worker_id, jobs.c.kind, **only("worker_id IS NOT NULL"))
Index("jobs_state", jobs.c.state, jobs.c.id)
Index("jobs_kind", jobs.c.kind, jobs.c.id)
Index("jobs_workflow", jobs.c.workflow_id, **only("workflow_id IS NOT NULL"))

job_links = Table(
    "job_links",
    metadata,
    Column("before_id", NAME, ForeignKey("jobs.id"), primary_key=True),
    Column("after_id", NAME, ForeignKey("jobs.id"), primary_key=True),
    Column("on_state", NAME, primary_key=True),
    Column("position", Integer, nullable=False),
    CheckConstraint("on_state IN ('success', 'failure')", name="on_state"),
)
Index("job_links_after", job_links.c.after_id)

# How far a bulk replay has come; it goes with its job. `next_at`: when its pace allows more.
bulk_replays = Table(
    "bulk_replays",
    metadata,
    Column("job_id", NAME, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("after_id", NAME, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
)

# Schedules that fire. Those of hookkeeper.toml are known from there, and have no more here than
# until when (ms) they are seen to; `marked` is JSON of one that a user's module marks.
schedules = Table(
    "schedules",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("fired_until", BigInteger, nullable=False),
    Column("marked", Text),
)

# What is wrong now, or was: one row a condition and what it is about.
alerts = Table(
    "alerts",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("subject", NAME, primary_key=True),
    Column("state", NAME, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("last_event_at", BigInteger),
    Column("count", Integer, nullable=False),
    Column("value", Float),
    CheckConstraint("state IN ('firing', 'resolved')", name="state"),
)
