"""Which code may go on beside a schema that is newer than it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: The oldest revision whose code can use the schema that this leaves. See ``compatibility.py``.
oldest_code = "0007"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "compatibility",
        sa.Column("oldest_code", NAME, nullable=False),
        sa.PrimaryKeyConstraint("oldest_code", name=op.f("compatibility_pkey")),
    )
