"""How far bulk replays have come, and the idempotency keys of single ones."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    create_bulk_replays()
    create_replay_keys()


def create_bulk_replays() -> None:
    op.create_table(
        "bulk_replays",
        sa.Column("job_id", NAME, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("after_id", NAME, nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("bulk_replays_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("bulk_replays_pkey")),
    )


def create_replay_keys() -> None:
    op.create_table(
        "replay_keys",
        sa.Column("key", NAME, nullable=False),
        sa.Column("subject_id", NAME, nullable=False),
        sa.Column("answer", NAME, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("replay_keys_pkey")),
    )
    op.create_index("replay_keys_made", "replay_keys", ["made_at"])
