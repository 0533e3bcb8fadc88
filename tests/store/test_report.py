"""What the daily report counts: what was made in its time, as it stands now."""

import pytest

from ingest.events import DeliveryState
from ingest.jobs.states import JobState
from ingest.store import Database, claims, dispatch, report
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
        SourceFigures("a", 100, 0, 0, 0, 50, 95),
        SourceFigures("b", 1, 0, 0, 0, 7, 7),
    )


def test_a_busy_source_does_not_crowd_out_a_quiet_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SAMPLE", 2)
    worker = a_worker(database)
    for source in ("quiet", "busy", "busy", "busy"):
        claims.record(
            database,
            worker,
            [
                settled(one)
                for one in claimed(database, worker, dispatched(database, "billing", source=source))
            ],
            {},
        )
    found = figures(database, *today()).sources
    assert [one.source for one in found if one.p50_ms is not None] == ["busy", "quiet"]


def test_a_replay_of_an_old_event_is_no_latency_of_60_days(database: Database) -> None:
    worker = a_worker(database)
    (ref,) = dispatched(database, "billing")
    (claim,) = claimed(database, worker, [ref])
    claims.record(database, worker, [settled(claim)], {})
    execute(
        database, "UPDATE deliveries SET generation = 1, finished_at = finished_at + 5184000000"
    )
    (found,) = figures(database, *today()).sources
    assert (found.received, found.p50_ms, found.p95_ms) == (1, None, None)


def test_what_was_given_up_is_counted_by_source_too(database: Database) -> None:
    """Also of one that sent nothing that day: an old event was replayed."""
    worker = a_worker(database)
    old = now_ms() - 2 * DAY_MS
    for source, changes in (("a", {}), ("b", {"received_at": old})):
        (claim,) = claimed(
            database, worker, dispatched(database, "billing", source=source, **changes)
        )
        claims.record(database, worker, [settled(claim, DeliveryState.DEAD, REFUSAL)], {})
    found = figures(database, *today()).sources
    assert found == (SourceFigures("a", 1, 0, 0, 1), SourceFigures("b", 0, 0, 0, 1))


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
