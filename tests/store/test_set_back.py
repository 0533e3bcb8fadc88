"""A clock that ran an hour fast is right again: nothing that it wrote sleeps for an hour."""

from ingest.events import DeliveryState
from ingest.store import Database, claims, set_back, wake, workers
from tests.store.job_making import held, made_one
from tests.store.making import a_worker, claimed, dispatched, execute, now_ms, rows, stored

HOUR_MS = 3_600_000


def put_forward(database: Database, table: str, *columns: str) -> None:
    """Write times as a clock an hour ahead would have."""
    changes = ", ".join(f"{column} = {column} + {HOUR_MS}" for column in columns)
    execute(database, f"UPDATE {table} SET {changes}")


def test_an_event_that_was_to_be_published_in_an_hour_is_published_now(
    database: Database,
) -> None:
    (event,) = stored(database)
    put_forward(database, "events", "wake_at", "stored_at")
    assert set_back.make_due(database) == 1
    assert wake.due_events(database, 10) == [event.id]


def test_a_delivery_made_in_the_future_can_be_claimed_now(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    put_forward(database, "deliveries", "created_at", "due_at", "wake_at")
    worker = a_worker(database)
    assert claims.claim(database, worker, [ref.id], {}) == []
    assert set_back.make_due(database) == 1
    assert [one.delivery_id for one in claims.claim(database, worker, [ref.id], {})] == [ref.id]


def test_a_retry_put_off_by_an_attempt_in_the_future_is_due_now(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    execute(database, "UPDATE deliveries SET last_attempt_at = created_at")
    put_forward(database, "deliveries", "last_attempt_at", "due_at", "wake_at")
    assert set_back.make_due(database) == 1
    assert [one.id for one in wake.due_deliveries(database, 10)] == [ref.id]


def test_what_is_only_far_away_stays_so(database: Database) -> None:
    """A retry in six hours is no mistake of a clock."""
    dispatched(database, "a")
    execute(database, "UPDATE deliveries SET last_attempt_at = created_at")
    put_forward(database, "deliveries", "due_at", "wake_at")
    assert set_back.make_due(database) == 0
    stored(database)
    assert set_back.make_due(database) == 0


def test_a_message_lost_by_a_scheduler_of_the_future_is_sent_again(database: Database) -> None:
    (ref,) = dispatched(database, "a")
    put_forward(database, "deliveries", "wake_at")
    assert set_back.make_due(database) == 1
    assert [one.id for one in wake.due_deliveries(database, 10)] == [ref.id]


def test_work_of_a_dead_worker_is_due_since_it_was_first(database: Database) -> None:
    """Whatever the clock says of whoever frees it, the next worker may claim it at once."""
    worker = a_worker(database)
    (one,) = claimed(database, worker, dispatched(database, "a"))
    ((due_at,),) = rows(database, "SELECT due_at FROM deliveries")
    execute(database, "UPDATE workers SET lease_until = 1")
    assert [ref.id for ref in workers.free_expired(database, 10)] == [one.delivery_id]
    found = rows(database, "SELECT state, due_at FROM deliveries")
    assert found == [(DeliveryState.WAITING, due_at)]
    assert due_at <= now_ms()


def test_a_job_made_in_the_future_keeps_its_delay_and_no_more(database: Database) -> None:
    at_once, later = made_one(database), made_one(database)
    minute_ms = 60_000
    execute(database, f"UPDATE jobs SET due_at = due_at + {minute_ms} WHERE id = :id", id=later)
    put_forward(database, "jobs", "created_at", "due_at", "wake_at")
    assert set_back.make_due(database) == 2
    assert [ref.id for ref in wake.due_jobs(database, 10)] == [at_once]
    ((due_at, wake_at),) = rows(
        database, "SELECT due_at, wake_at FROM jobs WHERE id = :id", id=later
    )
    assert now_ms() + minute_ms - 10_000 < due_at <= now_ms() + minute_ms
    assert wake_at == due_at, "and it is woken then"


def test_a_job_that_failed_in_the_future_is_tried_now(database: Database) -> None:
    id_ = made_one(database)
    execute(database, "UPDATE jobs SET started_at = created_at, attempts = 1, starts = 1")
    put_forward(database, "jobs", "started_at", "due_at", "wake_at")
    assert set_back.make_due(database) == 1
    assert [one.id for one in held(database, a_worker(database), id_)] == [id_]


def test_a_job_whose_message_was_lost_in_the_future_is_sent_again(database: Database) -> None:
    id_ = made_one(database)
    put_forward(database, "jobs", "wake_at")
    assert set_back.make_due(database) == 1
    assert [ref.id for ref in wake.due_jobs(database, 10)] == [id_]


def test_a_paused_job_of_the_future_starts_when_it_is_resumed(database: Database) -> None:
    id_ = made_one(database)
    execute(database, "UPDATE jobs SET paused_at = created_at, wake_at = NULL")
    put_forward(database, "jobs", "created_at", "due_at")
    assert set_back.make_due(database) == 1
    assert wake.due_jobs(database, 10) == [], "not before"
    execute(database, "UPDATE jobs SET paused_at = NULL, wake_at = due_at")
    assert [ref.id for ref in wake.due_jobs(database, 10)] == [id_]


def test_a_job_that_is_to_start_tomorrow_still_does(database: Database) -> None:
    made_one(database)
    put_forward(database, "jobs", "due_at", "wake_at")
    assert set_back.make_due(database) == 0
