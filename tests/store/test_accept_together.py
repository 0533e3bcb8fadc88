"""Many writers at once, in threads and in processes: no deadlock, no loss, one event a key."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from ingest.errors import StoreUnavailable
from ingest.events import Accepted, Arrival
from ingest.store import Database, open_database, queries
from ingest.store.accept import accept
from tests.store.making import accepted, arrival, key_of, one

WRITERS = 16


def patiently(database: Database, batch: list[Arrival]) -> list[Accepted]:
    """Accept as a sender does: what could not be committed in time is sent again."""
    for _ in range(50):
        try:
            return accepted(database, *batch)
        except StoreUnavailable:
            continue
    raise AssertionError("50 times in a row the database could not commit")


def test_one_id_from_sixteen_threads_becomes_one_event(database: Database) -> None:
    arrivals = [arrival(key=key_of("a")) for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        answers = [
            answer for (answer,) in pool.map(lambda made: patiently(database, [made]), arrivals)
        ]
    (event,) = queries.list_events(database)
    assert {answer.event_id for answer in answers} == {event.id}
    assert Counter(answer.duplicate for answer in answers) == {False: 1, True: WRITERS - 1}
    assert event.duplicates == WRITERS - 1


def test_batches_with_the_same_keys_in_any_order_do_not_deadlock(database: Database) -> None:
    """Without the order of keys, PostgreSQL would end one of two such batches (design.md)."""
    random = Random(4711)
    keys = [key_of(str(number)) for number in range(30)]

    def batch(_: int) -> list[Accepted]:
        order = random.sample(keys, len(keys))
        answers = accept(database, [arrival(key=key) for key in order])
        return [answer for answer in answers if isinstance(answer, Accepted)]

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for found in pool.map(batch, range(24)) for answer in found]
    assert len(answers) == 24 * len(keys)
    assert sum(not answer.duplicate for answer in answers) == len(keys)
    assert len(queries.list_events(database)) == len(keys)
    assert one(database, "SELECT sum(duplicates) FROM events") == 23 * len(keys)


def test_threads_lose_nothing(database: Database) -> None:
    batches = [[arrival() for _ in range(5)] for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for made, answers in zip(
            batches, pool.map(lambda batch: patiently(database, batch), batches), strict=True
        ):
            assert [answer.event_id for answer in answers] == [one.event_id for one in made]
    assert one(database, "SELECT count(*) FROM events") == 200
    assert one(database, "SELECT count(*) FROM payloads") == 200


WRITER = """
import sys
from ingest.store import open_database
from tests.store.making import arrival, key_of
from tests.store.test_accept_together import patiently

database = open_database(sys.argv[1])
for number in range(25):
    for answer in patiently(database, [arrival(), arrival(key=key_of(str(number)))]):
        print(answer.event_id)
database.close()
"""


def test_processes_lose_nothing(database_url: str) -> None:
    """The outside log of what each process was told is compared with what is stored."""
    command = [sys.executable, "-c", WRITER, database_url]
    writers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told: set[str] = set()
    for writer in writers:
        output, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
        told.update(output.split())
    database = open_database(database_url)
    try:
        assert {row.id for row in queries.list_events(database, limit=1_000)} == told
        assert len(told) == 3 * 25 + 25
    finally:
        database.close()


@pytest.mark.parametrize("count", [200])
def test_a_sqlite_writer_is_never_starved(sqlite_url: str, count: int) -> None:
    """The file lock queues: with four writers nobody waits into his time-out."""
    database = open_database(sqlite_url)
    try:
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda _: accepted(database, arrival()), range(count)))
        assert len(done) == count
    finally:
        database.close()
