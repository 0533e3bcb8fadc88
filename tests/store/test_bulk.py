"""Many rows by one statement: what was given is what is kept, and the count says who won."""

from typing import Any

import pytest

from ingest.errors import RowRejected
from ingest.store import Database
from ingest.store.bulk import BulkInsert
from ingest.store.schema import dedupe, duplicates, events
from tests.store.making import key_of, new_id, now_ms, one, rows

FAR = 2**62

KEYS = BulkInsert(
    dedupe,
    ("key", "event_id", "body_sha256", "seen_at", "expires_at"),
    on_conflict="ON CONFLICT (key) DO UPDATE SET event_id = excluded.event_id,"
    " expires_at = excluded.expires_at WHERE dedupe.expires_at <= {now}",
)
NOTES = BulkInsert(
    duplicates,
    (
        "id", "event_id", "received_at", "headers", "query", "content_type", "body",
        "body_sha256", "trace_id", "secret_name",
    ),
    on_conflict="ON CONFLICT (id) DO NOTHING",
)  # fmt: skip
EVENTS = BulkInsert(
    events,
    ("id", "source", "type", "received_at", "trace_id"),
    fixed={"state": "'stored'", "stored_at": "{now}", "wake_at": "{now} + 5"},
    on_conflict="ON CONFLICT (id) DO NOTHING",
)


def write(database: Database, insert: BulkInsert, *given: tuple[Any, ...]) -> int:
    with database.write() as tx:
        return insert(tx, given)


def key(name: str, owner: str, expires_at: int = FAR) -> tuple[Any, ...]:
    return (key_of(name), owner, b"", 0, expires_at)


def note(
    id_: str = "id", *, text: str | None = "", body: bytes | None = b"", secret: str | None = None
) -> tuple[Any, ...]:
    return (id_, "first", 1, text, "", "", body, b"", "", secret)


def owners(database: Database) -> dict[bytes, str]:
    return {bytes(row[0]): row[1] for row in rows(database, "SELECT key, event_id FROM dedupe")}


@pytest.mark.parametrize("count", [1, 2, 300])
def test_where_nothing_is_there_yet_every_row_counts(database: Database, count: int) -> None:
    given = [key(str(number), "first") for number in range(count)]
    assert write(database, KEYS, *given) == count
    assert len(owners(database)) == count


@pytest.mark.parametrize("count", [1, 2, 300])
def test_a_row_that_is_there_does_not_count_and_does_not_change(
    database: Database, count: int
) -> None:
    given = [key(str(number), "first") for number in range(count)]
    write(database, KEYS, *given)
    assert write(database, KEYS, *(key(str(number), "second") for number in range(count))) == 0
    assert set(owners(database).values()) == {"first"}


def test_among_many_only_the_new_and_the_expired_count(database: Database) -> None:
    """Whether all were won is read off the count alone, so one too many would lose an event."""
    live = [key(f"live {number}", "first") for number in range(50)]
    expired = [key(f"expired {number}", "first", now_ms() - 1) for number in range(30)]
    assert write(database, KEYS, *live, *expired) == 80
    names = [f"{kind} {number}" for number in range(50) for kind in ("live", "expired", "new")]
    assert write(database, KEYS, *(key(name, "second") for name in names)) == 100
    found = owners(database)
    assert {found[key_of(name)] for name in names if name.startswith("live")} == {"first"}
    assert {found[key_of(name)] for name in names if not name.startswith("live")} == {"second"}


def test_a_conflict_on_the_last_or_the_first_row_is_counted_alike(database: Database) -> None:
    """SQLite runs the statement once a row: the count is the sum, not the last one's."""
    write(database, KEYS, key("a", "first"))
    assert write(database, KEYS, key("a", "second"), key("b", "second")) == 1
    assert write(database, KEYS, key("c", "third"), key("b", "third")) == 1


@pytest.mark.parametrize("body", [b"", b"\0", bytes(range(256)), b"\\x00", b"x" * 3_000_000])
def test_bytes_are_kept_as_they_are(database: Database, body: bytes) -> None:
    write(database, NOTES, note("1", body=body), note("2", body=b"other"))
    assert bytes(one(database, "SELECT body FROM duplicates WHERE id = '1'")) == body


@pytest.mark.parametrize(
    "text", ["", "NULL", "null", '{a,"b"}', "a\\b'c", "%s %b %% ? :name {now}", "naïve\t\n☃𝄞"]
)
def test_text_is_data_and_nothing_else(database: Database, text: str) -> None:
    write(database, NOTES, note("1", text=text), note("2"))
    assert one(database, "SELECT headers FROM duplicates WHERE id = '1'") == text


@pytest.mark.parametrize("secrets", [(None,), (None, None), ("a", None), (None, "a", None)])
def test_what_is_missing_stays_missing(database: Database, secrets: tuple[str | None, ...]) -> None:
    """A column of nothing but None has no type of its own for the driver to find."""
    write(database, NOTES, *(note(str(at), secret=name) for at, name in enumerate(secrets)))
    kept = rows(database, "SELECT secret_name FROM duplicates ORDER BY id")
    assert tuple(name for (name,) in kept) == secrets


def test_numbers_of_any_size_share_a_column(database: Database) -> None:
    """psycopg chooses the type of an array by what is in it; the statement says what it is."""
    sizes = [0, 1, -1, 2**31, 2**62, 2**63 - 1]
    write(database, KEYS, *(key(str(size), "a", size) for size in sizes))
    kept = rows(database, "SELECT expires_at FROM dedupe ORDER BY expires_at")
    assert [value for (value,) in kept] == sorted(sizes)


BAD: dict[str, tuple[Any, ...]] = {
    "a lone surrogate": note("bad", text="\ud800"),
    "a missing text": note("bad", text=None),
    "a missing body": note("bad", body=None),
    "a number too large": (*note("bad")[:2], 2**63, *note("bad")[3:]),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_one_bad_row_leaves_nothing_of_its_statement(
    database: Database, bad: tuple[Any, ...]
) -> None:
    with pytest.raises(RowRejected):
        write(database, NOTES, note("1"), bad, note("2"))
    assert one(database, "SELECT count(*) FROM duplicates") == 0


def test_postgresql_refuses_a_nul_and_accept_has_to_for_sqlite(database: Database) -> None:
    if database.dialect == "sqlite":
        assert write(database, NOTES, note(text="a\0b")) == 1
        return
    with pytest.raises(RowRejected):
        write(database, NOTES, note("1"), note("2", text="a\0b"))


def test_fixed_columns_are_the_same_for_all_and_know_the_clock(database: Database) -> None:
    before = now_ms()
    given = [(new_id(), "github", "push", 1, "trace") for _ in range(3)]
    assert write(database, EVENTS, *given, given[0]) == 3
    kept = rows(database, "SELECT state, stored_at, wake_at, duplicates FROM events")
    assert {(state, count) for state, _, _, count in kept} == {("stored", 0)}
    for _, stored_at, wake_at, _ in kept:
        assert before - 1_000 <= stored_at <= now_ms() + 1_000
        assert 0 <= wake_at - 5 - stored_at < 1_000
