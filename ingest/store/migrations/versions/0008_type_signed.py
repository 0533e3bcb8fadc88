"""Whether the signature of a request covers what its event's type was taken from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: Older code names the columns that it fills and reads: what it stores is not known to be signed.
oldest_code = "0007"


def upgrade() -> None:
    op.add_column("events", sa.Column("type_signed", sa.Boolean(), nullable=True))
