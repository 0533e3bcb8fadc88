"""I7: metrics that are silent, differ from the database, go back or miscount are found."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingest.store import Database
from ops.torture import evidence
from ops.torture.counting import Rising
from ops.torture.scraping import Scraper
from ops.torture.written import Evidence
from tests.store.making import dispatched, execute
from tests.torture.examples import ACCEPTED, DUPLICATE, answer, broken, good

SCRAPE = """\
# HELP hookkeeper_requests_total Requests by how they ended.
# TYPE hookkeeper_requests_total counter
hookkeeper_requests_total{outcome="accepted",source="github"} 7.0
hookkeeper_requests_total{outcome="duplicate",source="github"} 2.0
hookkeeper_depth{queue="deliver",state="waiting"} 3.0
"""


def test_metrics_that_never_answer_are_no_clean_trial() -> None:
    assert broken(replace(good("a"), counters={}, depths={})) == {"I7 metrics never answered"}


def test_a_counter_that_went_back_is_found() -> None:
    assert broken(replace(good("a"), went_back=["x: 1 after 2"])) == {"I7 counters that went back"}


def test_a_counter_may_rise_and_stay_but_neither_fall_nor_vanish() -> None:
    rising = Rising()
    rising.see(SCRAPE)
    rising.see(SCRAPE.replace(" 7.0", " 9.0"))
    assert not rising.went_back

    rising.see(SCRAPE)
    lines = SCRAPE.splitlines(keepends=True)
    rising.see("".join(line for line in lines if "duplicate" not in line))

    assert rising.went_back == {
        ACCEPTED: f"{ACCEPTED}: 7 after 9",
        DUPLICATE: f"{DUPLICATE}: nothing after 2",
    }


def test_a_gauge_may_fall() -> None:
    rising = Rising()
    rising.see(SCRAPE)
    rising.see(SCRAPE.replace(" 3.0", " 1.0"))

    assert not rising.went_back


def test_metrics_are_read_all_through_a_trial_and_may_be_away_for_a_while() -> None:
    said: Iterator[str | None] = iter([SCRAPE, None, SCRAPE.replace(" 7.0", " 6.0")])
    enough = threading.Event()

    def scrape() -> str:
        for one in said:
            if one is None:
                raise OSError("gone")
            return one
        enough.set()
        return SCRAPE

    with Scraper(scrape, every_seconds=0.001) as scraper:
        assert enough.wait(10)
    scraper.see("")  # where nothing was read at the end, nothing is compared

    assert scraper.went_back == [f"{ACCEPTED}: 6 after 7"]


def counted(accepted: int, duplicate: int = 0, **changes: object) -> Evidence:
    """Two events of a receiver that was never killed, and what it counted."""
    one = replace(
        good("a", "b"),
        receiver_killed=False,
        counters={ACCEPTED: accepted, DUPLICATE: duplicate},
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # each test names real fields


@pytest.mark.parametrize(("accepted", "duplicate"), [(1, 0), (3, 0), (2, 1), (1, 1)])
def test_where_every_request_was_answered_the_counts_are_exact(
    accepted: int, duplicate: int
) -> None:
    assert broken(counted(2)) == set()
    assert broken(counted(accepted, duplicate)) == {"I7 requests were miscounted"}


def test_who_heard_no_answer_does_not_know_how_the_request_was_counted() -> None:
    unheard = answer("b", status=0, event_id="")
    again = answer("b", status=200, duplicate=True)
    answers = [answer("a"), unheard, again]

    assert broken(counted(2, 1, answers=answers)) == set()  # it was accepted, and the answer lost
    assert broken(counted(1, 1, answers=answers)) == set()  # the commit was late
    assert broken(counted(2, 0, answers=answers)) == set()
    assert broken(counted(2, 2, answers=answers)) == {"I7 requests were miscounted"}
    assert broken(counted(0, 2, answers=answers)) == {"I7 requests were miscounted"}


def test_a_receiver_that_was_killed_may_have_counted_less() -> None:
    assert broken(counted(1, receiver_killed=True)) == set()


def test_dead_letters_are_compared_by_state(database: Database) -> None:
    dispatched(database, "sink", count=3)
    execute(database, "UPDATE deliveries SET state = 'dead', wake_at = NULL, finished_at = 1")
    said = 'hookkeeper_dead_letters{state="dead"} 2.0\n'

    (dead,) = [pair for name, pair in evidence._depths(said, database) if "dead" in name]

    assert dead == (2, 3)
