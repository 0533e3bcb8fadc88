"""Rejected requests that are kept, and secrets that were learned in handshakes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    create_rejected()
    create_rejected_room()
    create_learned_secrets()
    create_learning_windows()


def create_rejected() -> None:
    op.create_table(
        "rejected",
        sa.Column("id", NAME, nullable=False),
        sa.Column("source", NAME, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reason", NAME, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("released_event_id", NAME),
        sa.Column("released_at", sa.BigInteger()),
        sa.CheckConstraint("state IN ('kept', 'released')", name=op.f("rejected_state_check")),
        sa.CheckConstraint(
            "(state = 'released') = (released_event_id IS NOT NULL AND released_at IS NOT NULL)",
            name=op.f("rejected_released_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("rejected_pkey")),
    )
    op.create_index("rejected_source", "rejected", ["source", "id"])
    op.create_index("rejected_expiry", "rejected", ["expires_at"])


def create_rejected_room() -> None:
    op.create_table(
        "rejected_room",
        sa.Column("source", NAME, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("rejected_room_pkey")),
    )


def create_learned_secrets() -> None:
    op.create_table(
        "learned_secrets",
        sa.Column("source", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("value_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("learned_at", sa.BigInteger(), nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.CheckConstraint(
            "state IN ('live', 'retired')", name=op.f("learned_secrets_state_check")
        ),
        sa.PrimaryKeyConstraint("source", "name", name=op.f("learned_secrets_pkey")),
    )


def create_learning_windows() -> None:
    op.create_table(
        "learning_windows",
        sa.Column("source", NAME, nullable=False),
        sa.Column("open_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("learning_windows_pkey")),
    )
