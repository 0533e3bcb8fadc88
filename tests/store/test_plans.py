"""No hot path reads a whole table: each statement it sends is explained by SQLite itself."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from ingest.events import DeliveryState, EventState
from ingest.store import (
    Database,
    accept,
    claims,
    dispatch,
    ledger,
    open_database,
    queries,
    retention,
    wake,
    workers,
)
from tests.store.making import (
    a_worker,
    arrival,
    claimed,
    dispatched,
    end_leases,
    execute,
    ids_of,
    key_of,
    settled,
    stored,
    target,
)

#: Tables that grow with what is received; the others have a row a process or a destination.
LARGE = "events|payloads|dedupe|duplicates|deliveries|attempts"
SCAN = re.compile(rf"SCAN ({LARGE})\b(?! USING (COVERING )?INDEX (events_wake|deliveries_))")
#: These read a partial index from end to end: its length is the backlog, not the history.
BACKLOG = re.compile(r"SCAN \w+ USING (COVERING )?INDEX (events_wake|deliveries_\w+)")
#: A page is read from one end of these, as far as its limit.
PAGES = re.compile(r"SCAN events USING INDEX events_(received|unmatched)")


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """PostgreSQL plans by the sizes it measured, and reads small tables whole: SQLite it is."""
    database = open_database(sqlite_url)
    yield database
    database.close()


@contextmanager
def plans_of(database: Database) -> Iterator[list[str]]:
    """Collect the plan of every statement that is sent meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        sent.append((statement, values[0] if isinstance(values, list) else values))

    plans: list[str] = []
    event.listen(database._engine, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(database._engine, "before_cursor_execute", note)
    with database.read() as tx:
        for statement, values in sent:
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                plan = tx.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, values)
                plans += [f"{row.detail}  <- {statement}" for row in plan]


def accepting(database: Database) -> None:
    accept.accept(database, [arrival(key=key_of("a")), arrival(b"{}", key=key_of("a"))])


def dispatching(database: Database) -> None:
    events = stored(database, 2)
    dispatch.dispatch(database, [(event, (target("a"),)) for event in events])


def claiming(database: Database) -> None:
    caps = {"a": 1}
    refs = dispatched(database, "a", count=3)
    worker = a_worker(database)
    found = claims.claim(database, worker, ids_of(refs), caps)
    claims.record(database, worker, [settled(claim) for claim in found], caps)
    claims.release(database, worker, claims.claim(database, worker, ids_of(refs), caps))


def waking(database: Database) -> None:
    stored(database)
    dispatched(database, "a", "b")
    execute(database, "UPDATE events SET wake_at = 0 WHERE state = 'stored'")
    execute(database, "UPDATE deliveries SET wake_at = 0 WHERE state = 'waiting'")
    with plans_of(database) as plans:
        wake.due_events(database, 10)
        wake.due_deliveries(database, 10)
    assert [plan for plan in plans if BACKLOG.match(plan)] == []
    wake.due_deliveries(database, 10)


def freeing(database: Database) -> None:
    claimed(database, a_worker(database), dispatched(database, "a"))
    end_leases(database)
    workers.free_expired(database, 10)


def retiring(database: Database) -> None:
    workers.retire(database, a_worker(database))


def forgetting(database: Database) -> None:
    events = stored(database, received_at=0)
    dispatch.dispatch(database, [(event, ()) for event in events])
    retention.prune(database, {}, 1_000, 10)


def measuring(database: Database) -> None:
    ledger.depths(database)
    ledger.dead_letters(database)
    ledger.violations(database, window_ms=60_000)


def listing(database: Database) -> None:
    queries.list_events(database)
    queries.list_events(database, source="github", since=5, before_id=stored(database)[0].id)
    queries.list_events(database, state=EventState.UNMATCHED)
    queries.get_event(database, stored(database)[0].id[:30])
    queries.list_deliveries(database, event_id="x")
    queries.list_deliveries(database, state=DeliveryState.DEAD)
    queries.list_dead(database)
    queries.list_attempts(database, "x")
    queries.list_conflicts(database, "x")


@pytest.mark.parametrize(
    "path",
    [
        accepting,
        dispatching,
        claiming,
        waking,
        freeing,
        retiring,
        forgetting,
        measuring,
        listing,
    ],
    ids=lambda path: path.__name__,
)
def test_no_path_reads_a_whole_table(database: Database, path: Callable[[Database], None]) -> None:
    with plans_of(database) as plans:
        path(database)
    assert plans
    assert [plan for plan in plans if SCAN.match(plan) and not PAGES.match(plan)] == []


def test_a_page_of_events_is_read_in_the_order_of_an_index(database: Database) -> None:
    """Sorting a month of events to show twenty would read them all."""
    for filters in ({}, {"source": "github"}, {"state": EventState.UNMATCHED}):
        with plans_of(database) as plans:
            queries.list_events(database, **filters)
        assert [plan for plan in plans if "TEMP B-TREE" in plan] == []


def test_a_plan_that_reads_a_whole_table_would_be_seen(database: Database) -> None:
    with plans_of(database) as plans:
        execute(database, "UPDATE events SET duplicates = 0 WHERE trace_id = 'x'")
    assert any(SCAN.match(plan) for plan in plans)
