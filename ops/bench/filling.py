"""Fill a store with history and with a backlog, by SQL that the database runs itself.

Rows are as Hookkeeper writes them: ids in the order of time, states and times that keep every
promise of the ledger. Indexes and foreign keys are built after the rows, as a bulk load does;
what is filled is durable, and has the statistics that autovacuum would have made by then.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

DAY_MS = 86_400_000
HISTORY_MS = 90 * DAY_MS
#: Nine sources get a sixteenth of the events each, and this one the rest.
BUSY = "github"
SOURCES = ("stripe", "shopify", "slack", "gitlab", "acme", "sentry", "linear", "twilio", "paddle")
DESTINATIONS = 10
#: For so long a key is remembered by default: seven days.
DEDUPE_MS = 7 * DAY_MS
_TABLES = ("events", "payloads", "dedupe", "deliveries", "attempts")
_SHA = "'" + "0" * 32 + "'"

Execute = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class _Words:
    """How one database spells what the other spells differently; ``n`` numbers the rows."""

    series: Callable[[int, int], str]
    uuid: Callable[[str, str], str]
    key: str
    blob: Callable[[str], str]
    literal: Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class History:
    """What was filled: so many events from ``start_ms`` on, equally far apart."""

    start_ms: int
    events: int

    @property
    def apart_ms(self) -> int:
        """Milliseconds from one event to the next."""
        return HISTORY_MS // self.events

    def event_id(self, number: int) -> str:
        """Return the id of an event by its number from 0 on, as the SQL below makes it."""
        at = self.start_ms + number * self.apart_ms
        clock = f"{at >> 16:08x}-{at & 65_535:04x}"
        return f"{clock}-7{number & 4_095:03x}-8a00-{number:012x}"


def _sqlite_uuid(at: str, kind: str) -> str:
    return f"printf('%08x-%04x-7%03x-8{kind}00-%012x', ({at}) >> 16, ({at}) & 65535, n & 4095, n)"


def _postgresql_uuid(at: str, kind: str) -> str:
    digits = f"lpad(to_hex(({at})::bigint), 12, '0')"
    tail = f"lpad(to_hex(n & 4095), 3, '0') || '-8{kind}00-' || lpad(to_hex(n), 12, '0')"
    return f"left({digits}, 8) || '-' || right({digits}, 4) || '-7' || {tail}"


_SQLITE = _Words(
    lambda first, count: (
        f"(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL"
        f" SELECT n + 1 FROM s WHERE n < {first + count - 1}) SELECT n FROM s)"
    ),
    _sqlite_uuid,
    "randomblob(32)",
    lambda value: f"CAST({value} AS BLOB)",
    lambda value: f"X'{value.hex()}'",
)
_POSTGRESQL = _Words(
    lambda first, count: f"generate_series({first}::bigint, {first + count - 1}::bigint) AS s(n)",
    _postgresql_uuid,
    "sha256(convert_to(random()::text, 'UTF8'))",
    lambda value: f"convert_to({value}, 'UTF8')",
    lambda value: f"'\\x{value.hex()}'::bytea",
)


def fill(database_url: str, events: int, finished: int, body: bytes | None = None) -> History:
    """Add 90 days of events, one in 49 unmatched, to an empty store that is migrated.

    The newest ``finished`` have a delivery that succeeded, with its attempt, and the events of
    the last seven days their dedupe keys. ``body``: every event's; None: 60 bytes with a number.
    """
    history = History(time.time_ns() // 1_000_000 - HISTORY_MS, events)
    _run(database_url, lambda words: _history(words, history, finished, body), bulk=True)
    return history


def add_waiting(database_url: str, count: int, first_due_ms: int) -> None:
    """Add events with a failed delivery each that waits for its retry, spread over a day.

    The first is due ``first_due_ms`` from now.
    """
    _run(database_url, lambda words: _backlog(words, count, first_due_ms), bulk=False)


def _history(words: _Words, history: History, finished: int, body: bytes | None) -> Iterator[str]:
    events = history.events
    at = f"({history.start_ms} + n * {history.apart_ms})"
    keyed = events * DEDUPE_MS // HISTORY_MS
    everything, last = words.series(0, events), words.series(events - finished, finished)
    unmatched = "n % 49 = 0"  # an odd number: of every source
    branches = " ".join(f"WHEN {number} THEN '{name}'" for number, name in enumerate(SOURCES))
    event, delivery = words.uuid(at, "a"), words.uuid(at, "b")
    yield f"""INSERT INTO events (id, source, type, provider_event_id, state, received_at,
        stored_at, dispatched_at, matched, matched_generation, trace_id, secret_name, type_signed)
        SELECT {event}, CASE n * 7919 % 16 {branches} ELSE '{BUSY}' END,
        CASE n % 5 WHEN 0 THEN 'issues.opened' ELSE 'push' END, {words.uuid(at, "0")},
        CASE WHEN {unmatched} THEN 'unmatched' ELSE 'dispatched' END, {at}, {at}, {at} + 20,
        CASE WHEN NOT {unmatched} AND n >= {events - finished} THEN 1 ELSE 0 END, 0,
        '0af7651916cd43dd8448eb211c80319c', 'file:secret', false FROM {everything}"""
    yield _payloads(words, event, everything, body)
    yield f"""INSERT INTO dedupe (key, event_id, body_sha256, seen_at, expires_at)
        SELECT {words.key}, {event}, {words.blob(_SHA)}, {at}, {at} + {DEDUPE_MS}
        FROM {words.series(events - keyed, keyed)} ORDER BY 1"""
    yield f"""INSERT INTO deliveries (id, event_id, destination, kind, queue, generation, state,
        due_at, starts, attempts, created_at, finished_at, last_outcome, last_status, last_code,
        last_message, last_attempt_at)
        SELECT {delivery}, {event}, 'destination-' || (n % {DESTINATIONS}), 'http', 'deliver', 0,
        'succeeded', {at} + 20, 1, 1, {at} + 20, {at} + 60, 'succeeded', 200, '', '', {at} + 40
        FROM {last} WHERE NOT {unmatched}"""
    yield _attempts(words, delivery, at, "'succeeded', 200, '', ''", last, f"NOT {unmatched}")


def _backlog(words: _Words, count: int, first_due_ms: int) -> Iterator[str]:
    now = time.time_ns() // 1_000_000
    rows = words.series(0, count)
    at = f"({now - count // 2} + n / 2)"
    due = f"({now + first_due_ms} + n * 7919 % {count} * {DAY_MS} / {count})"
    event, delivery = words.uuid(at, "c"), words.uuid(at, "d")
    yield f"""INSERT INTO events (id, source, type, state, received_at, stored_at, dispatched_at,
        matched, matched_generation, trace_id) SELECT {event}, '{BUSY}', 'push', 'dispatched',
        {at}, {at}, {at} + 20, 1, 0, '0af7651916cd43dd8448eb211c80319c' FROM {rows}"""
    yield _payloads(words, event, rows, None)
    yield f"""INSERT INTO deliveries (id, event_id, destination, kind, queue, generation, state,
        due_at, wake_at, starts, attempts, created_at, last_outcome, last_status, last_code,
        last_message, last_attempt_at)
        SELECT {delivery}, {event}, 'destination-' || (n % {DESTINATIONS}), 'http', 'deliver', 0,
        'waiting', {due}, {due}, 1, 1, {at} + 20, 'retryable', 503, 'http_503',
        'Service Unavailable', {at} + 40 FROM {rows}"""
    outcome = "'retryable', 503, 'http_503', 'Service Unavailable'"
    yield _attempts(words, delivery, at, outcome, rows, "true")


def _payloads(words: _Words, event: str, rows: str, body: bytes | None) -> str:
    numbered = words.blob("""'{"zen":"Keep it logically awesome.","number":' || n || '}'""")
    value = numbered if body is None else words.literal(body)
    return f"""INSERT INTO payloads (event_id, headers, query, content_type, body, body_sha256)
        SELECT {event}, '[["X-GitHub-Event","push"]]', '', 'application/json', {value},
        {words.blob(_SHA)} FROM {rows}"""


def _attempts(words: _Words, delivery: str, at: str, outcome: str, rows: str, where: str) -> str:
    return f"""INSERT INTO attempts (delivery_id, number, started_at, finished_at, outcome, status,
        code, message, worker_id) SELECT {delivery}, 1, {at} + 40, {at} + 60, {outcome},
        {words.uuid(at, "e")} FROM {rows} WHERE {where}"""


def _run(database_url: str, statements: Callable[[_Words], Iterator[str]], *, bulk: bool) -> None:
    if database_url.startswith("sqlite"):
        _run_sqlite(database_url.partition("///")[2], statements(_SQLITE), bulk=bulk)
    else:
        url = database_url.replace("postgresql+psycopg", "postgresql")
        _run_postgresql(url, statements(_POSTGRESQL), bulk=bulk)


def _run_sqlite(file: str, statements: Iterator[str], *, bulk: bool) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        execute = connection.execute
        execute("PRAGMA synchronous=OFF")  # of this connection; the file is whole afterwards
        execute("PRAGMA cache_size=-200000")
        made = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        indexes = execute(made).fetchall() if bulk else []
        if bulk:
            execute("PRAGMA journal_mode=OFF")
        for name, _ in indexes:
            execute(f"DROP INDEX {name}")
        for statement in statements:
            execute(statement)
        for _, definition in indexes:
            execute(definition)
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with Path(file).open("rb") as written:  # nothing above waited for the disk
        os.fsync(written.fileno())


def _run_postgresql(url: str, statements: Iterator[str], *, bulk: bool) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        execute = connection.execute
        execute("SET maintenance_work_mem = '256MB'")
        again = _without_indexes(connection) if bulk else []
        for statement in statements:
            execute(statement)
        for statement in again:
            execute(statement)
        execute("VACUUM ANALYZE")
        execute("CHECKPOINT")


def _without_indexes(connection: psycopg.Connection[tuple[str, ...]]) -> list[str]:
    """Drop indexes, keys and references, and return what makes them again."""
    keys = connection.execute(
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid::regclass::text = ANY(%s) AND contype IN ('p', 'u', 'f')
        ORDER BY contype <> 'f'""",
        (list(_TABLES),),
    ).fetchall()
    indexes = connection.execute(
        """SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)
        AND indexname NOT IN (SELECT conname FROM pg_constraint)""",
        (list(_TABLES),),
    ).fetchall()
    for table, name, _ in keys:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    adding = [f"ALTER TABLE {table} ADD CONSTRAINT {name} {what}" for table, name, what in keys]
    return [definition for _, definition in indexes] + adding[::-1]
