"""The open-loop generator charges a server for what piles up while it stalls."""

import io
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest

from ops.bench.figures import percentile
from ops.bench.generator import Generator, even, poisson
from ops.bench.openloop import Offer, Outcome, command, parse
from ops.bench.request import github_event
from tests.services.sink import Answer, Sink

STALL_SECONDS = 0.3


@pytest.fixture
def sink() -> Iterator[Sink]:
    opened = Sink()
    yield opened
    opened.close()


def generated(
    sink: Sink, *, rate: float, seconds: float, connections: int, body_after: float = 0.0
) -> Offer:
    outcomes, url = io.StringIO(), sink.url("/in/github")
    generator = Generator(url, even(rate), seconds, connections, 5.0, outcomes, body_after)
    totals = generator.run()
    found = list(parse(outcomes.getvalue().splitlines()))
    return Offer(found, int(totals["unsent"]), seconds, totals["cpu_seconds"])


def test_requests_that_were_due_during_a_stall_are_charged_for_it(sink: Sink) -> None:
    """A closed loop would have sent one request into the stall, and called the p90 fast."""
    sink.script("/in/github", Answer(delay=STALL_SECONDS), Answer())

    offer = generated(sink, rate=100, seconds=0.6, connections=1)

    assert percentile([outcome.answer_time for outcome in offer.outcomes], 90) < 100
    assert percentile(offer.latencies, 90) > 200
    assert max(offer.latencies) >= STALL_SECONDS * 1_000


def test_every_request_has_an_id_of_its_own_and_the_same_body(sink: Sink) -> None:
    offer = generated(sink, rate=200, seconds=0.2, connections=4)

    received = sink.requests("/in/github")
    assert len(received) == len(offer.outcomes) >= 30
    assert len({request.header("X-GitHub-Delivery") for request in received}) == len(received)
    assert len({request.body for request in received}) == 1


def test_a_refusal_is_told_from_an_acknowledgement(sink: Sink) -> None:
    sink.script(
        "/in/github",
        Answer(202, body=b'{"id":"019a","status":"accepted"}'),
        Answer(503, headers=(("Retry-After", "2"),)),
        Answer(503),
    )

    first, second, third = generated(sink, rate=100, seconds=0.035, connections=1).outcomes

    assert (first.is_acknowledged, first.event_id) == (True, "019a")
    assert (second.is_refused, second.has_retry_after) == (True, True)
    assert (third.is_refused, third.has_retry_after) == (True, False)


def test_a_server_that_hangs_up_costs_one_request_and_no_more(sink: Sink) -> None:
    sink.script("/in/github", Answer(202, headers=(("Connection", "close"),)), Answer(202))

    offer = generated(sink, rate=100, seconds=0.1, connections=1)

    assert offer.failures == 0
    assert len(offer.outcomes) >= 5


def test_a_request_without_an_answer_counts_as_endless() -> None:
    answered = Outcome(0, 0, 5, 202, False, "a")
    lost = Outcome(0, 0, 9_000, 0, False, "-")
    offer = Offer([answered, lost], unsent=1, seconds=1, cpu_seconds=0.1)

    assert sorted(offer.latencies) == [5, float("inf"), float("inf")]
    assert offer.failures == 2


def test_a_latency_counts_from_when_the_request_was_due() -> None:
    outcome = Outcome(
        due=100, sent=400, answered=401, status=202, has_retry_after=False, event_id="a"
    )

    assert (outcome.latency, outcome.answer_time, outcome.lateness) == (301, 1, 300)


def test_independent_senders_come_as_often_as_asked_but_never_evenly() -> None:
    times = list(itertools.islice(poisson(1_000, random.Random(1)), 20_000))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

    assert mean(gaps) == pytest.approx(0.001, rel=0.05)
    assert percentile(gaps, 99) > 4 * mean(gaps)


def test_an_even_schedule_is_even() -> None:
    assert list(itertools.islice(even(4), 3)) == [0.25, 0.5, 0.75]


def test_a_body_may_come_after_its_head(sink: Sink) -> None:
    whole = generated(sink, rate=50, seconds=0.2, connections=4)
    apart = generated(sink, rate=50, seconds=0.2, connections=4, body_after=0.1)

    received = sink.requests("/in/github")
    assert len(received) == len(whole.outcomes) + len(apart.outcomes) >= 10
    assert {request.body for request in received} == {github_event().body}
    assert all(outcome.status == 200 for outcome in apart.outcomes)
    assert min(outcome.answer_time for outcome in apart.outcomes) >= 100


def test_more_than_can_be_sent_keeps_every_connection_busy(sink: Sink) -> None:
    sink.script("/in/github", *[Answer(delay=0.1)] * 100)

    offer = generated(sink, rate=1_000, seconds=0.5, connections=2)

    assert 6 <= len(offer.outcomes) <= 12
    assert len(offer.outcomes) + offer.unsent == 500
    assert (offer.load.answered, offer.load.failures) == (len(offer.outcomes), 0)


def test_what_was_never_answered_is_broken_and_not_refused() -> None:
    outcomes = [Outcome(0, 0, 1, status, False, "-") for status in (202, 200, 400, 503, 0)]

    load = Offer(outcomes, unsent=3, seconds=2.0, cpu_seconds=0.1).load
    assert (load.answered, load.refused, load.broken) == (4, 2, 1)


def test_another_seed_is_another_schedule(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/in/github"
    words = command(url, 10, 1, tmp_path, 4, seed=7, is_segmented=True)

    assert words[words.index("--seed") + 1] == "7"
    assert "--segmented" in words
    first, second = (list(itertools.islice(poisson(10, random.Random(n)), 5)) for n in (1, 2))
    assert first != second
