"""The tables, and the rules that the database itself keeps about them.

States are text with a CHECK generated from the enums of ``ingest.events``, so that SQL, code and
metrics share one spelling. Times are milliseconds since the epoch. Names that are compared or
ordered use byte order on both databases (collation "C" on PostgreSQL, SQLite's own default).

A body is written once, into ``payloads``, and never again: SQLite rewrites a whole row, its
overflow pages included, whenever one column changes, and an event changes its state.

``migrations/versions`` holds the same schema as history; a test compares the two on both
databases. Change both, and ``REVISION``.
"""

import enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ingest.events import TERMINAL, AttemptOutcome, DeliveryState, DestinationKind, EventState

#: The newest migration. ``open_database`` refuses an older database, and a newer one where that
#: does not go with this code (``compatibility.py``).
REVISION = "0008"

#: A row of any selection; its columns are its attributes.
AnyRow = Row[*tuple[Any, ...]]

NAME = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def quoted(values: type[enum.StrEnum] | frozenset[DeliveryState]) -> str:
    """Spell an enum's values as a SQL list, in the order of their definition."""
    order = list(DeliveryState) if isinstance(values, frozenset) else list(values)
    return ", ".join(f"'{value}'" for value in order if value in values)


def one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    """Allow only an enum's values in a column."""
    return CheckConstraint(f"{column} IN ({quoted(values)})", name=column)


def only(condition: str) -> dict[str, Any]:
    """Make an index partial, on both databases."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


#: SQLite uses a partial index only for a query that has its condition word for word.
GIVEN_UP = "state IN ('dead', 'quarantined', 'cancelled')"

events = Table(
    "events",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("source", NAME, nullable=False),
    Column("type", NAME, nullable=False),
    Column("provider_event_id", Text),
    Column("state", NAME, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("stored_at", BigInteger, nullable=False),  # when it last became `stored`
    Column("wake_at", BigInteger),
    Column("dispatched_at", BigInteger),
    Column("generation", Integer, nullable=False, server_default="0"),
    # How many deliveries the last dispatch wrote, and under which generation: the ledger's debit.
    Column("matched", Integer),
    Column("matched_generation", Integer),
    Column("duplicates", Integer, nullable=False, server_default="0"),
    Column("conflicts", Integer, nullable=False, server_default="0"),
    Column("trace_id", Text, nullable=False),
    Column("secret_name", Text),
    # Whether the signature covers what the type was taken from; NULL: not known (``Event``).
    Column("type_signed", Boolean),
    one_of("state", EventState),
    CheckConstraint("(state = 'stored') = (wake_at IS NOT NULL)", name="wake"),
    CheckConstraint("state = 'stored' OR matched IS NOT NULL", name="matched"),
)
Index("events_wake", events.c.wake_at, **only("state = 'stored'"))
# Ids begin with their time: these are in the order of arrival, and so is the primary key.
Index("events_source", events.c.source, events.c.id)
# The source in the first of these two: PostgreSQL may take it for one source, and then reads only
# that one's rows (measured: 814 pages for a hundred rows otherwise).
Index("events_unmatched", events.c.id, events.c.source, **only("state = 'unmatched'"))
Index("events_unmatched_source", events.c.source, events.c.id, **only("state = 'unmatched'"))

payloads = Table(
    "payloads",
    metadata,
    Column("event_id", NAME, ForeignKey("events.id"), primary_key=True),
    Column("headers", Text, nullable=False),  # JSON: [[name, value], ...] in the order received
    Column("query", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
)

# Lives by its own expiry: a key may outlast its event, and still answers with the event's id.
dedupe = Table(
    "dedupe",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("event_id", NAME, nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("dedupe_expiry", dedupe.c.expires_at)

# Requests that carried a known signed id with another body: evidence, never delivered.
duplicates = Table(
    "duplicates",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("event_id", NAME, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("secret_name", Text),
)
Index("duplicates_event", duplicates.c.event_id)
Index("duplicates_received", duplicates.c.received_at)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("event_id", NAME, ForeignKey("events.id"), nullable=False),
    Column("destination", NAME, nullable=False),
    Column("kind", NAME, nullable=False),
    Column("queue", NAME, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", NAME, nullable=False),
    # `due_at`: since when it may run. `wake_at`: when the scheduler publishes it (again).
    Column("due_at", BigInteger, nullable=False),
    Column("wake_at", BigInteger),
    Column("worker_id", NAME),
    Column("claimed_at", BigInteger),
    # starts = attempts + crashes, plus one while running.
    Column("starts", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("last_outcome", NAME),
    Column("last_status", Integer),
    Column("last_code", Text),
    Column("last_message", Text),
    Column("last_attempt_at", BigInteger),
    Column("replayed_as", NAME),
    UniqueConstraint("event_id", "destination", "generation"),
    one_of("kind", DestinationKind),
    one_of("state", DeliveryState),
    one_of("last_outcome", AttemptOutcome),
    CheckConstraint("(state = 'waiting') = (wake_at IS NOT NULL)", name="wake"),
    CheckConstraint(
        "(state = 'running') = (worker_id IS NOT NULL AND claimed_at IS NOT NULL)", name="claim"
    ),
    CheckConstraint(
        f"(state IN ({quoted(TERMINAL)})) = (finished_at IS NOT NULL)", name="finished"
    ),
)
Index(
    "deliveries_waiting",
    deliveries.c.destination,
    deliveries.c.wake_at,
    deliveries.c.due_at,
    deliveries.c.queue,
    **only("state = 'waiting'"),
)
Index(
    "deliveries_running",
    deliveries.c.destination,
    deliveries.c.worker_id,
    **only("state = 'running'"),
)
Index(
    "deliveries_given_up",
    deliveries.c.state,
    deliveries.c.id,
    deliveries.c.replayed_as,
    **only(GIVEN_UP),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", NAME, ForeignKey("deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Column("outcome", NAME, nullable=False),
    Column("status", Integer),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("worker_id", NAME, nullable=False),
    one_of("outcome", AttemptOutcome),
)

# One row a worker process. On SQLite the lease is in CLOCK_BOOTTIME of one boot.
workers = Table(
    "workers",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("boot_id", Text, nullable=False),
)

paused_destinations = Table(
    "paused_destinations",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("paused_at", BigInteger, nullable=False),
)

# What was answered to the idempotency key of a replay: a generation, or a delivery's id.
replay_keys = Table(
    "replay_keys",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("subject_id", NAME, nullable=False),
    Column("answer", NAME, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)
Index("replay_keys_made", replay_keys.c.made_at)

#: One row: the oldest revision whose code may use this schema.
compatibility = Table(
    "compatibility",
    metadata,
    Column("oldest_code", NAME, primary_key=True),
)
