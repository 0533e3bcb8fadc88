"""Until when each schedule is seen to, and the schedules that users' modules mark."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", NAME, nullable=False),
        sa.Column("fired_until", sa.BigInteger(), nullable=False),
        sa.Column("marked", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("schedules_pkey")),
    )
