"""Bring a database to the current schema. Alembic, configured here rather than in a file.

Safe when several processes do it at once: the whole upgrade is one transaction under one lock.
And beside a running pipeline: on PostgreSQL, whoever waits for a table that is in use makes all
others wait behind it, so it gives up after a second, lets them pass, and tries again.
"""

import time
from pathlib import Path

from sqlalchemy import Connection, func, select, text

from ingest.errors import StoreRefused
from ingest.store import compatibility
from ingest.store.database import Database, parse_url
from ingest.store.database_errors import LockTimeout
from ingest.store.dialect import LOCK_SPACE

#: The second half of our advisory lock's number on PostgreSQL; the first is LOCK_SPACE.
MIGRATION_LOCK = 0

#: How long one process waits for another's migration, or for rows in use.
PATIENCE_SECONDS = 60.0

#: How long a migration may make others wait behind it for a table, and lets them pass then.
_LOCK_SECONDS = 1.0

_SCRIPTS = Path(__file__).with_name("migrations")


def migrate(url: str) -> list[str]:
    """Apply the missing migrations, oldest first, and return their names.

    Creates a SQLite file where there is none, readable by its owner only. A newer schema that goes
    with this code is left as it is. Raises StoreRefused for a database we do not run on, or whose
    schema is too new; StoreUnavailable where it cannot be reached or is locked.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        file = Path(parsed.database or "")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    database = Database(parsed, PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        if not _is_current(database):
            _import_alembic()
        while True:
            try:
                with database.write() as tx:
                    if database.dialect == "postgresql":
                        _wait_for_turn(tx)
                    return upgrade(tx)
            except LockTimeout:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_LOCK_SECONDS)
    finally:
        database.close()


def _is_current(database: Database) -> bool:
    with database.read() as tx:
        found = compatibility.revision(tx)
        return found is not None and compatibility.fits(tx, found)


def _import_alembic() -> None:
    """Import what a migration needs while nobody waits: on SQLite, all who write wait for one.

    It takes 0.2 s, and several times as long on a busy machine: senders were told to come again.
    """
    import alembic.command  # noqa: PLC0415 - only a migration needs it
    import alembic.script  # noqa: F401, PLC0415 - likewise


def _wait_for_turn(tx: Connection) -> None:
    tx.execute(select(func.pg_advisory_xact_lock(LOCK_SPACE, MIGRATION_LOCK)))
    tx.execute(text(f"SET LOCAL lock_timeout = {_LOCK_SECONDS * 1000:.0f}"))


def upgrade(tx: Connection) -> list[str]:
    """Apply the missing migrations inside an open transaction, and return their names."""
    found = compatibility.revision(tx)
    if found is not None and compatibility.fits(tx, found):
        return []
    from alembic import command  # noqa: PLC0415 - costs 0.2 s that only a migration needs
    from alembic.config import Config  # noqa: PLC0415 - as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above
    from alembic.util.exc import CommandError  # noqa: PLC0415 - as above

    applied: list[str] = []
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = tx
    config.attributes["applied"] = applied
    try:
        command.upgrade(config, "head")
        head = ScriptDirectory.from_config(config).get_revision("head")
    except CommandError as error:
        raise StoreRefused(
            f"the database cannot be migrated: {error}. A newer Hookkeeper has probably migrated "
            "it before: use that one. Nothing was changed."
        ) from error
    compatibility.keep(tx, head.module.oldest_code)
    return applied
