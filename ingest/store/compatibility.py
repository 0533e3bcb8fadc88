"""Whether this code and a database's schema go together.

While machines are upgraded one after another, old and new code use one database. So a migration
only adds (expand); what older code would miss goes in a later release (contract). Each migration
names the oldest code that can use its outcome, and the database keeps that name: older code that
is at least that new goes on, and may be started again, as after a new release that was no good.
"""

import sqlalchemy
from sqlalchemy import Connection, delete, insert, select, text

from ingest.store.schema import REVISION, compatibility


def revision(tx: Connection) -> str | None:
    """The schema's newest migration; None: it is not ours, or empty."""
    if not sqlalchemy.inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()


def fits(tx: Connection, found: str | None) -> bool:
    """Whether this code may use a schema at that revision: its own, or one that says so."""
    if found is None or found <= REVISION:
        return found == REVISION
    if not sqlalchemy.inspect(tx).has_table(compatibility.name):
        return False  # somebody else's
    oldest = tx.execute(select(compatibility.c.oldest_code)).scalar()
    return oldest is not None and oldest <= REVISION


def keep(tx: Connection, oldest_code: str) -> None:
    """Write down the oldest code that may use the schema from now on."""
    tx.execute(delete(compatibility))
    tx.execute(insert(compatibility).values(oldest_code=oldest_code))
