"""No hot path reads a whole table: the databases themselves explain each statement it sends."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from ingest.events import DeliveryState, EventState, Target
from ingest.export.chunks import Chunk
from ingest.filters import Dataset, Filter
from ingest.replaying import read_replay
from ingest.store import (
    Database,
    accept,
    bulk_replay,
    claims,
    dispatch,
    export_rows,
    ledger,
    open_database,
    queries,
    retention,
    wake,
    workers,
)
from ops.bench.filling import add_waiting, fill
from tests.store import job_making
from tests.store.making import (
    DAY_MS,
    a_worker,
    arrival,
    claimed,
    dispatched,
    end_leases,
    execute,
    ids_of,
    key_of,
    new_id,
    now_ms,
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
PAGES = re.compile(
    r"SCAN (events|deliveries) USING (COVERING )?INDEX (events_unmatched|sqlite_autoindex_\w+_1)"
)
#: Greater than any id.
BEYOND = "g"
#: In PostgreSQL's words.
BACKLOG_INDEX = re.compile(r".*Scan (using|on) (events_wake|deliveries_waiting).*<-")
READ_WHOLE = re.compile(r"Seq Scan on (events|payloads|dedupe|deliveries|attempts)\b")


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """SQLite plans by its indexes alone, so an empty database tells what a large one would."""
    database = open_database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def filled(postgres_url: str) -> Iterator[Database]:
    """PostgreSQL plans by the sizes it measured, and reads small tables whole."""
    fill(postgres_url, 60_000, 60_000)
    add_waiting(postgres_url, 2_000, DAY_MS)
    database = open_database(postgres_url)
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
                explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
                plan = tx.exec_driver_sql(f"{explain} {statement}", values)
                plans += [f"{row[-1]}  <- {statement}" for row in plan]


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
    ledger.violations(database, newest=100)
    audit = ledger.Audit(database, 100)
    audit.step()
    audit.step()


def listing(database: Database) -> None:
    queries.list_events(database)
    queries.list_events(database, source="github", since=5, before_id=stored(database)[0].id)
    queries.list_events(database, state=EventState.UNMATCHED)
    queries.list_events(database, state=EventState.STORED)
    queries.list_events(database, source="github", state=EventState.STORED)
    queries.list_events(database, source="github", state=EventState.DISPATCHED, until=now_ms())
    queries.get_event(database, stored(database)[0].id[:30])
    queries.list_deliveries(database, event_id="x")
    queries.list_deliveries(database, state=DeliveryState.DEAD)
    queries.list_deliveries(database, state=DeliveryState.WAITING)
    queries.list_deliveries(database, state=DeliveryState.WAITING, destination="x")
    queries.list_deliveries(database, state=DeliveryState.RUNNING)
    place = queries.Position(now_ms(), stored(database)[0].id)
    for state in (None, DeliveryState.WAITING, DeliveryState.RUNNING, DeliveryState.DEAD):
        queries.list_deliveries(database, state=state, after=place)
    queries.list_deliveries(database, event_id="x", after=place)
    queries.get_delivery(database, dispatched(database, "x")[0].id)
    queries.list_dead(database, before_id=place.id)
    queries.list_dead(database)
    queries.list_attempts(database, "x")
    queries.list_conflicts(database, "x")


PATHS = (
    *(accepting, dispatching, claiming, waking, freeing, retiring, forgetting, measuring, listing),
)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_no_path_reads_a_whole_table(database: Database, path: Callable[[Database], None]) -> None:
    with plans_of(database) as plans:
        path(database)
    assert plans
    assert [plan for plan in plans if SCAN.match(plan) and not PAGES.match(plan)] == []


def test_no_path_reads_a_whole_table_of_a_filled_postgresql(filled: Database) -> None:
    with plans_of(filled) as plans:
        for path in PATHS:
            path(filled)
    assert plans
    assert [plan for plan in plans if READ_WHOLE.search(plan)] == []


def test_a_backlog_that_postgresql_knows_nothing_of_is_not_read_whole(
    postgres_url: str,
) -> None:
    """Statistics are up to a minute older than what a burst has stored or put off.

    The planner then believes that nothing waits, and takes the index of what waits for the
    shortest way even to a row whose id it is given.
    """
    fill(postgres_url, 30_000, 20_000)
    database = open_database(postgres_url)
    stored(database, 1_000)
    execute(database, "UPDATE events SET wake_at = 0 WHERE state = 'stored'")
    refs = dispatched(database, "a", count=50)
    with plans_of(database) as plans:
        wake.due_events(database, 100)
        dispatch.dispatch(database, [(event, ()) for event in stored(database, 50)])
        claims.claim(database, a_worker(database), ids_of(refs), {})
    database.close()
    walked = [plan for plan in plans if BACKLOG_INDEX.match(plan)]
    assert len(walked) == 1, walked  # to find what is due, as far as its limit
    assert walked[0].endswith("LIMIT %(param_1)s::INTEGER")


@pytest.mark.parametrize("dataset", ["events", "deliveries"])
@pytest.mark.parametrize("to", [None, target("b")])
def test_a_page_of_a_bulk_replay_reads_no_whole_table(
    database: Database, dataset: str, to: Target | None
) -> None:
    dispatched(database, "a", received_at=now_ms() - DAY_MS)
    ended = "UPDATE deliveries SET id = :id, state = 'dead', wake_at = NULL, finished_at = 1"
    execute(database, ended, id=new_id(now_ms() - DAY_MS))
    sources = {"github"}
    wanted = read_replay(dataset=dataset, source="github", target=to, sources=sources, now=now_ms())
    job_id = job_making.made_one(database, "bulk_replay")
    (claim,) = job_making.held(database, a_worker(database), job_id)
    bulk_replay.begin(database, job_id, wanted)
    with plans_of(database) as plans:
        done = bulk_replay.advance(database, job_id, claim.starts, wanted)
    assert done is not None
    assert done.done == 1
    assert [plan for plan in plans if SCAN.match(plan)] == []


@pytest.mark.parametrize("dataset", Dataset)
def test_an_export_reads_no_whole_table(database: Database, dataset: Dataset) -> None:
    with plans_of(database) as plans:
        exporting(database, dataset)
    assert plans
    assert [plan for plan in plans if SCAN.match(plan)] == []


def test_postgresql_reads_exported_events_and_their_bodies_by_one_range_of_each(
    filled: Database,
) -> None:
    """Not each body by itself, which is ten times the work of the server (measured)."""
    with plans_of(filled) as plans:
        exporting(filled, Dataset.EVENTS)
    ranges = [plan for plan in plans if "event_id >" in plan.partition("<-")[0]]
    assert ranges, plans
    assert not [plan for plan in plans if "event_id = events.id" in plan.partition("<-")[0]]


def exporting(database: Database, dataset: Dataset) -> None:
    first = export_rows.next_id(database, dataset, Filter(), "", BEYOND) or new_id()
    last, rows = export_rows.stretch(database, dataset, Filter(), "", BEYOND, 5_000)
    chunk = Chunk(0, "2026-01-01", first, last or first, rows)
    assert sum(map(len, export_rows.pages(database, dataset, Filter(), chunk))) == rows


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
