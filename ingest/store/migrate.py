"""Bring a database to the current schema. Alembic, configured here rather than in a file.

Safe when several processes do it at once: the whole upgrade is one transaction under one lock.
"""

from pathlib import Path

from sqlalchemy import Connection, func, select

from ingest.errors import StoreRefused
from ingest.store.database import Database, parse_url
from ingest.store.dialect import LOCK_SPACE

#: The second half of our advisory lock's number on PostgreSQL; the first is LOCK_SPACE.
MIGRATION_LOCK = 0

#: How long one process waits for another's migration, or for rows in use.
PATIENCE_SECONDS = 60.0

_SCRIPTS = Path(__file__).with_name("migrations")


def migrate(url: str) -> list[str]:
    """Apply the missing migrations, oldest first, and return their names.

    Creates a SQLite file where there is none, readable by its owner only. Raises StoreRefused
    for a database we do not run on, or whose schema is newer than ours; StoreUnavailable where it
    cannot be reached or is locked.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        file = Path(parsed.database or "")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    database = Database(parsed, PATIENCE_SECONDS)
    try:
        with database.write() as tx:
            if database.dialect == "postgresql":
                tx.execute(select(func.pg_advisory_xact_lock(LOCK_SPACE, MIGRATION_LOCK)))
            return upgrade(tx)
    finally:
        database.close()


def upgrade(tx: Connection) -> list[str]:
    """Apply the missing migrations inside an open transaction, and return their names."""
    from alembic import command  # noqa: PLC0415 - costs 0.2 s that only a migration needs
    from alembic.config import Config  # noqa: PLC0415 - as above
    from alembic.util.exc import CommandError  # noqa: PLC0415 - as above

    applied: list[str] = []
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = tx
    config.attributes["applied"] = applied
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreRefused(
            f"the database cannot be migrated: {error}. A newer Hookkeeper has probably migrated "
            "it before: use that one. Nothing was changed."
        ) from error
    return applied
