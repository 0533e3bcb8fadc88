"""All SQL that must differ between SQLite and PostgreSQL, each with the reason it must.

Everything else in this package is written once and runs on both, which the conformance suite in
``tests/store`` shows.
"""

import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Table, Text, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

#: Distinguishes our advisory locks from those of others in the same PostgreSQL database.
LOCK_SPACE = 0x686B

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class now_ms(FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock in milliseconds.

    PostgreSQL: ``now()`` stands still in a transaction, ``clock_timestamp()`` does not.
    SQLite: 3.40 returns NULL for ``unixepoch('now', 'subsec')``, so we register our own function;
    all processes share the machine, hence the clock.
    """

    type = BigInteger()
    inherit_cache = True


class lease_ms(FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it is
    """The clock of worker leases in milliseconds: one that nobody sets.

    PostgreSQL: the server's clock, the only one that all hosts share. SQLite: CLOCK_BOOTTIME,
    which neither steps nor stands still in suspend; it starts again at a boot, hence ``boot_id``.
    """

    type = BigInteger()
    inherit_cache = True


class boot_id(FunctionElement[str]):  # noqa: N801 - reads as the SQL function that it is
    """Which boot ``lease_ms`` counts from; always "" on PostgreSQL, whose clock survives boots."""

    type = Text()
    inherit_cache = True


@compiles(now_ms, "postgresql")
@compiles(lease_ms, "postgresql")
def _clock_timestamp(_element: object, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"


@compiles(boot_id, "postgresql")
def _no_boot(_element: object, _compiler: SQLCompiler, **_options: Any) -> str:
    return "''"


@compiles(now_ms, "sqlite")
@compiles(lease_ms, "sqlite")
@compiles(boot_id, "sqlite")
def _registered(element: object, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"{type(element).__name__}()"


DIALECTS = ("sqlite", "postgresql")

#: The option of a connection that names the clock of a database that has none of its own.
CLOCK = "hookkeeper_clock"


class Clock(NamedTuple):
    """What tells a SQLite database the time: functions for each connection, by their SQL names."""

    now_ms: Callable[[], int]
    lease_ms: Callable[[], int]
    boot_id: Callable[[], str]


def system_clock() -> Clock:
    """Return this machine's clock.

    Where there is no /proc (macOS), the boot id is "" and the clock CLOCK_MONOTONIC, which also
    starts again at a boot; ``workers`` therefore takes a lease in the far future for expired.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    boot = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""
    return Clock(
        now_ms=lambda: time.time_ns() // 1_000_000,
        lease_ms=lambda: time.clock_gettime_ns(clock) // 1_000_000,
        boot_id=lambda: boot,
    )


def now(tx: Connection) -> int:
    """Return the database's clock, in milliseconds, as of this statement.

    SQLite's is a function of ours: a statement that calls it would cost 100 us.
    """
    clock: Callable[[], int] | None = tx.get_execution_options().get(CLOCK)
    return clock() if clock else tx.execute(select(now_ms())).scalar_one()


def insert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT with ON CONFLICT, which SQLAlchemy spells once for each dialect."""
    return insert_into(tx.dialect.name, table)


def insert_into(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """As ``insert``, for a statement that is made once: making one costs 100 us."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def fetch_binary(tx: Connection) -> None:
    """Let rows come as they are: for who reads very many of them.

    PostgreSQL spells values as text unless it is asked for their bytes, and bodies as hexadecimal
    digits, twice as long (measured: half of what a client spends on a row). SQLite never does.
    """
    if tx.dialect.name == "postgresql":
        event.listen(tx, "before_cursor_execute", _ask_for_bytes)


def _ask_for_bytes(_tx: Connection, cursor: Any, *_: Any) -> None:
    from psycopg.pq import Format  # noqa: PLC0415 - only where PostgreSQL is in use

    cursor.format = Format.BINARY


def lock_names(tx: Connection, names: Iterable[str]) -> None:
    """Hold these names until the transaction ends, so that what is counted stays true.

    PostgreSQL runs write transactions side by side; SQLite has only one at a time, so there is
    nothing to do. Taken in order of their hash, so that no two transactions can deadlock.
    """
    if tx.dialect.name != "postgresql":
        return
    for number in sorted({zlib.crc32(name.encode()) - 2**31 for name in names}):
        tx.execute(select(func.pg_advisory_xact_lock(LOCK_SPACE, number)))
