"""What lets a round count, and a run stand in the results: no event less than was acknowledged."""

import io
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from ingest.queue import DISPATCH, build_broker, depth, publish_events
from ingest.store import open_database
from ingest.store.accept import accept
from ops.bench import limits
from ops.bench.__main__ import Run, keep
from ops.bench.audited import Audit
from ops.bench.backlog import fence, reading
from ops.bench.figures import Row
from ops.bench.filling import DAY_MS, add_waiting, fill
from ops.bench.ground import Ground, Options
from ops.bench.hookkeeper import Hookkeeper
from ops.bench.load import Load, audit
from ops.bench.provenance import Provenance
from ops.bench.published import Published, audit_published, parse, trimming
from ops.bench.report import print_rows
from ops.bench.results import read
from ops.bench.rows.deliveries import arrival
from tests.waiting import wait_until

#: 1,000 answered, 100 of them refused: 900 acknowledged.
LOAD = Load(answered=1_000, refused=100, seconds=5.0)
MISS = Row("accept.x", "/s", 1.0, 2.0, 0.5, ">= 1", False, "bare", reason="both cores are busy")


def kept(options: Options, path: Path) -> bool:
    run = Run(options, Console(file=io.StringIO()), path, "73fec94")
    of_line = Provenance("2026-11-23T23:59:30Z", run.commit, 0.1, {})
    return keep(run, "accept", [MISS], of_line, {"cores": 2})


def test_a_round_that_lost_one_event_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match=r"900 were acknowledged.*but 899"):
        audit(LOAD, stored=899, connections=64)


def test_a_round_in_which_nothing_was_stored_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="but 0 are there"):
        audit(LOAD, stored=0, connections=64)


def test_one_event_a_connection_may_be_stored_whose_answer_nobody_read() -> None:
    audit(LOAD, stored=900, connections=64)
    audit(LOAD, stored=1_000 + 64, connections=64)

    with pytest.raises(RuntimeError, match="at most 1064 posted"):
        audit(LOAD, stored=1_000 + 65, connections=64)


def test_a_connection_that_broke_may_have_left_an_event() -> None:
    audit(replace(LOAD, broken=3), stored=1_000 + 67, connections=64)


def test_a_round_of_which_everything_was_published_counts() -> None:
    audit_published(Published(100), Published(1_000), stored=900)


@pytest.mark.parametrize(
    "after",
    [Published(1_000, failed=1), Published(999), Published(1_001)],
    ids=["one failed", "one is missing", "one too many"],
)
def test_a_round_of_which_anything_was_not_published_is_no_measurement(after: Published) -> None:
    with pytest.raises(RuntimeError, match=r"900 events were stored, \d+ published"):
        audit_published(Published(100), after, stored=900)


def test_what_was_published_before_does_not_count() -> None:
    audit_published(Published(5, failed=7), Published(6, failed=7), stored=1)


def test_what_was_published_is_read_from_the_receivers_own_metrics() -> None:
    said = (
        'hookkeeper_published_total{outcome="ok",queue="dispatch"} 8504.0\n'
        'hookkeeper_published_total{outcome="failed",queue="dispatch"} 1.2e+06\n'
        'hookkeeper_published_total{outcome="ok",queue="deliver"} 3.0\n'
    )

    assert parse(said) == Published(8_504, 1_200_000)
    assert parse("# TYPE hookkeeper_published_total counter\n") == Published()


def test_a_queue_that_nobody_reads_is_emptied_again_and_again(redis_url: str) -> None:
    broker = build_broker(redis_url, [])
    with trimming(redis_url):
        for _ in range(2):
            publish_events(broker, ["019a"])
            wait_until(lambda: not depth(broker, DISPATCH), timeout=10)

    assert not broker.client.exists(f"hookkeeper:{DISPATCH}.msgs")
    broker.client.close()


def test_what_waits_for_a_worker_is_seen_without_counting_it(database_url: str) -> None:
    fill(database_url, 10, 10)
    with reading(database_url) as backlog:
        assert backlog.is_empty()
    add_waiting(database_url, 3, DAY_MS)
    with reading(database_url) as backlog:
        assert not backlog.is_empty()


def test_a_fence_stands_between_older_events_and_newer_ones(database_url: str) -> None:
    fill(database_url, 10, 0)
    since = fence()
    with closing(open_database(database_url)) as database:
        accept(database, [arrival() for _ in range(3)])

    with reading(database_url) as backlog:
        assert (backlog.count(), backlog.count_since(since)) == (13, 3)
        assert backlog.count_since(fence()) in (0, 3)  # within the same millisecond


class Receiver(Hookkeeper):
    """No process at all: its database gets what it is to accept, and it publishes as it is told."""

    told = Published()

    def published(self) -> Published:
        return self.told

    def take(self, number: int, *, ok: int, failed: int = 0) -> Load:
        with closing(open_database(self.database_url)) as database:
            accept(database, [arrival() for _ in range(number)])
        self.told = Published(self.told.ok + ok, self.told.failed + failed)
        return Load(answered=number, refused=0, seconds=1.0)


@pytest.fixture
def receiver(sqlite_url: str, tmp_path: Path) -> Receiver:
    return Receiver(tmp_path, 0, 0, sqlite_url, {})


def let_the_millisecond_end() -> None:
    """Ids of one millisecond have no order."""
    now = fence()
    wait_until(lambda: fence() > now)


#: Only its way to wait is needed; a real one would start a guard.
GROUND = cast("Ground", Ground)


def test_a_round_is_audited_by_what_came_in_it_alone(receiver: Receiver) -> None:
    receiver.take(7, ok=3, failed=4)
    audit_of_round = Audit(GROUND, receiver)
    let_the_millisecond_end()

    audit_of_round.check(receiver.take(5, ok=5), connections=0)


def test_an_event_that_was_stored_and_not_published_ends_the_line(receiver: Receiver) -> None:
    audit_of_round = Audit(GROUND, receiver)
    let_the_millisecond_end()

    with pytest.raises(RuntimeError, match=r"5 events were stored, 4 published, 1 could not"):
        audit_of_round.check(receiver.take(5, ok=4, failed=1), connections=0)


@pytest.mark.parametrize(
    "shorter",
    [Options(rounds=4), Options(seconds=2), Options(warm_up_seconds=0.5), Options(minutes=5)],
    ids=["rounds", "seconds", "warm-up", "minutes"],
)
def test_a_run_that_was_shorter_in_any_way_is_not_written_down(
    tmp_path: Path, shorter: Options
) -> None:
    path = tmp_path / "2026-11-23.json"

    assert not kept(shorter, path)
    assert read(path) is None


def test_a_whole_run_is_written_with_its_misses_and_their_reasons(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-23.json"

    assert kept(Options(), path)
    document = read(path)
    assert document is not None
    (row,) = document["rows"]
    assert (row["met"], row["reason"], row["commit"]) == (False, "both cores are busy", "73fec94")


def test_the_table_says_why_a_target_was_missed() -> None:
    shown = io.StringIO()

    print_rows([MISS, replace(MISS, met=True, reason="")], Console(file=shown, width=150))

    assert "MISSED" in shown.getvalue()
    assert shown.getvalue().count("missed: both cores are busy") == 1


def test_too_few_open_files_are_said_before_anything_is_measured() -> None:
    with pytest.raises(RuntimeError, match=r"needs 10,000,000,000 open files.*Nothing was"):
        limits.allow_open_files(10_000_000_000)
