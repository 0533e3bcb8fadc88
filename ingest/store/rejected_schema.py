"""The tables of rejected requests and of learned secrets.

``migrations/versions`` holds the same as history.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, Table, Text

from ingest.learning import LearnedState
from ingest.rejection import RejectedState
from ingest.store.schema import NAME, metadata, one_of

rejected = Table(
    "rejected",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("source", NAME, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("headers", Text, nullable=False),  # JSON: [[name, value], ...] in the order received
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),  # what it counts for in `rejected_room`
    Column("reason", NAME, nullable=False),
    Column("detail", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("state", NAME, nullable=False),
    Column("released_event_id", NAME),
    Column("released_at", BigInteger),
    one_of("state", RejectedState),
    CheckConstraint(
        "(state = 'released') = (released_event_id IS NOT NULL AND released_at IS NOT NULL)",
        name="released",
    ),
)
# Ids begin with the time of receipt: these are in its order, and so is the primary key.
Index("rejected_source", rejected.c.source, rejected.c.id)
Index("rejected_expiry", rejected.c.expires_at)

# The sum of a source's sizes, kept in the transactions that change it: to add them up for every
# request would read them all.
rejected_room = Table(
    "rejected_room",
    metadata,
    Column("source", NAME, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)

learned_secrets = Table(
    "learned_secrets",
    metadata,
    Column("source", NAME, primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("value_encrypted", LargeBinary, nullable=False),
    Column("learned_at", BigInteger, nullable=False),
    Column("state", NAME, nullable=False),
    one_of("state", LearnedState),
)

# A source that has a secret learns another only while somebody has asked for it.
learning_windows = Table(
    "learning_windows",
    metadata,
    Column("source", NAME, primary_key=True),
    Column("open_until", BigInteger, nullable=False),
)
