"""The first schema: events, their payloads, deliveries, attempts, and the leases of workers.

There is no way down: the way back from a migration is the backup taken before it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    create_events()
    create_payloads()
    create_dedupe()
    create_duplicates()
    create_deliveries()
    create_attempts()
    create_workers()
    create_paused_destinations()


def create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("type", NAME, nullable=False),
        sa.Column("provider_event_id", sa.Text(), nullable=True),
        sa.Column("state", NAME, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.Column("dispatched_at", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("matched", sa.Integer(), nullable=True),
        sa.Column("matched_generation", sa.Integer(), nullable=True),
        sa.Column("duplicates", sa.Integer(), server_default="0", nullable=False),
        sa.Column("conflicts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("secret_name", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'stored') = (wake_at IS NOT NULL)", name=op.f("events_wake_check")
        ),
        sa.CheckConstraint(
            "state = 'stored' OR matched IS NOT NULL", name=op.f("events_matched_check")
        ),
        sa.CheckConstraint(
            "state IN ('stored', 'dispatched', 'unmatched')", name=op.f("events_state_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("events_pkey")),
    )
    op.create_index("events_received", "events", ["received_at", "id"])
    op.create_index("events_source", "events", ["source", "received_at", "id"])
    op.create_index(
        "events_unmatched",
        "events",
        ["received_at", "id"],
        sqlite_where=sa.text("state = 'unmatched'"),
        postgresql_where=sa.text("state = 'unmatched'"),
    )
    op.create_index(
        "events_wake",
        "events",
        ["wake_at"],
        sqlite_where=sa.text("state = 'stored'"),
        postgresql_where=sa.text("state = 'stored'"),
    )


def create_payloads() -> None:
    op.create_table(
        "payloads",
        sa.Column("event_id", NAME, nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("payloads_event_id_fkey")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("payloads_pkey")),
    )


def create_dedupe() -> None:
    op.create_table(
        "dedupe",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", NAME, nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("dedupe_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index("dedupe_expiry", "dedupe", ["expires_at"])


def create_duplicates() -> None:
    op.create_table(
        "duplicates",
        sa.Column("id", NAME, nullable=False),
        sa.Column("event_id", NAME, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("secret_name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("duplicates_pkey")),
    )
    op.create_index("duplicates_event", "duplicates", ["event_id"])
    op.create_index("duplicates_received", "duplicates", ["received_at"])


def create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", NAME, nullable=False),
        sa.Column("event_id", NAME, nullable=False),
        sa.Column("destination", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("queue", NAME, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.Column("worker_id", NAME, nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("starts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("last_outcome", NAME, nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_code", sa.Text(), nullable=True),
        sa.Column("last_message", sa.Text(), nullable=True),
        sa.Column("last_attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("replayed_as", NAME, nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (worker_id IS NOT NULL AND claimed_at IS NOT NULL)",
            name=op.f("deliveries_claim_check"),
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (wake_at IS NOT NULL)", name=op.f("deliveries_wake_check")
        ),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'dead', 'quarantined', 'cancelled'))"
            " = (finished_at IS NOT NULL)",
            name=op.f("deliveries_finished_check"),
        ),
        sa.CheckConstraint("kind IN ('http', 'python')", name=op.f("deliveries_kind_check")),
        sa.CheckConstraint(
            "last_outcome IN ('succeeded', 'retryable', 'permanent', 'timed_out', 'crashed')",
            name=op.f("deliveries_last_outcome_check"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'succeeded', 'dead', 'quarantined', 'cancelled')",
            name=op.f("deliveries_state_check"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("deliveries_event_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("deliveries_pkey")),
        sa.UniqueConstraint(
            "event_id",
            "destination",
            "generation",
            name=op.f("deliveries_event_id_destination_generation_key"),
        ),
    )
    op.create_index(
        "deliveries_given_up",
        "deliveries",
        ["state", "id", "replayed_as"],
        sqlite_where=sa.text("state IN ('dead', 'quarantined', 'cancelled')"),
        postgresql_where=sa.text("state IN ('dead', 'quarantined', 'cancelled')"),
    )
    op.create_index(
        "deliveries_running",
        "deliveries",
        ["destination", "worker_id"],
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "deliveries_waiting",
        "deliveries",
        ["destination", "wake_at", "due_at", "queue"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("delivery_id", NAME, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", NAME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("worker_id", NAME, nullable=False),
        sa.CheckConstraint(
            "outcome IN ('succeeded', 'retryable', 'permanent', 'timed_out', 'crashed')",
            name=op.f("attempts_outcome_check"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("attempts_delivery_id_fkey")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("attempts_pkey")),
    )


def create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", NAME, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("workers_pkey")),
    )


def create_paused_destinations() -> None:
    op.create_table(
        "paused_destinations",
        sa.Column("name", NAME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("paused_destinations_pkey")),
    )
