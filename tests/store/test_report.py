"""What the daily report counts: what was made in its time, as it stands now."""

from ingest.events import DeliveryState
from ingest.jobs.states import JobState
from ingest.store import Database, claims, dispatch
from ingest.store.report import DestinationFigures, JobFigures, SourceFigures, figures
from tests.store.job_making import FAILED, end, made_one
from tests.store.making import (
    DAY_MS,
    REFUSAL,
    a_worker,
    accepted,
    arrival,
    claimed,
    dispatched,
    execute,
    key_of,
    now_ms,
    settled,
    stored,
)


def today() -> tuple[int, int]:
    return now_ms() - 3_600_000, now_ms() + 1_000


def test_sources_are_counted_with_their_latencies(database: Database) -> None:
    worker = a_worker(database)
    for source, latencies in (("a", range(1, 101)), ("b", (7,))):
        for took in latencies:
            (ref,) = dispatched(database, "billing", source=source)
            (claim,) = claimed(database, worker, [ref])
            claims.record(database, worker, [settled(claim)], {})
            execute(
                database,
                "UPDATE deliveries SET finished_at = :took +"
                " (SELECT received_at FROM events WHERE id = event_id) WHERE id = :id",
                took=took,
                id=ref.id,
            )
    found = figures(database, *today()).sources
    assert found == (
        SourceFigures("a", 100, 0, 0, 50, 95),
        SourceFigures("b", 1, 0, 0, 7, 7),
    )


def test_repeated_and_unmatched_events_are_told(database: Database) -> None:
    accepted(database, arrival(key=key_of("a")))
    accepted(database, arrival(key=key_of("a")))
    dispatch.dispatch(database, [(stored(database)[0], ())])
    assert figures(database, *today()).sources == (SourceFigures("github", 2, 1, 1),)


def test_destinations_are_counted_by_how_it_ended(database: Database) -> None:
    worker = a_worker(database)
    refs = dispatched(database, "billing", count=3)
    one, two = claimed(database, worker, refs[:2])
    dead = settled(two, DeliveryState.DEAD, REFUSAL)
    claims.record(database, worker, [settled(one), dead], {})
    found = figures(database, *today()).destinations
    assert found == (DestinationFigures("billing", 1, 1, 1),)


def test_jobs_are_counted_and_the_last_failure_is_quoted(database: Database) -> None:
    worker = a_worker(database)
    end(database, worker, made_one(database, "export"))
    for _ in range(2):
        end(database, worker, made_one(database, "export"), JobState.FAILURE, FAILED)
    made_one(database, "waits")
    assert figures(database, *today()).jobs == (
        JobFigures("export", 1, 2, FAILED.message),
        JobFigures("waits", 0, 0, None),
    )


def test_another_day_is_another_report(database: Database) -> None:
    stored(database, received_at=now_ms() - 2 * DAY_MS)
    since, until = today()
    assert figures(database, since, until).sources == ()
    before = figures(database, since - 2 * DAY_MS, until - 2 * DAY_MS).sources
    assert before == (SourceFigures("github", 1, 0, 0),)
