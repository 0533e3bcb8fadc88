"""What is to be replayed, from words, and how fast."""

from typing import Any

import pytest

from ingest.events import DestinationKind, Target
from ingest.filters import SETTLED_MS, Dataset, Filter, Range, Refused
from ingest.replaying import PAGE, Replay, following, portion, read_replay, read_target

NOW = 1_795_000_000_000
BILLING = Target("billing", DestinationKind.HTTP, "deliver")
TARGETS = {"billing": BILLING}


def read(**words: Any) -> Replay:
    return read_replay(**words, sources={"github"}, now=NOW)


def test_words_become_a_replay() -> None:
    found = read(
        dataset="deliveries", source="github", types=["push"], state="dead", target=BILLING, rate=5
    )
    assert found == Replay(
        Dataset.DELIVERIES,
        Filter("github", ("push",), "dead"),
        Range(0, NOW - SETTLED_MS),
        BILLING,
        5,
    )


@pytest.mark.parametrize(
    ("words", "field", "reason"),
    [
        ({"dataset": "payloads"}, "dataset", "there is no dataset"),
        ({"source": "githb"}, "source", "did you mean"),
        ({"types": ["*.x"]}, "types", "at the end"),
        ({"state": "dead"}, "state", "there is no state"),
        ({"dataset": "deliveries", "state": "waiting"}, "state", "has not ended"),
        ({"dataset": "deliveries", "state": "running"}, "state", "has not ended"),
        ({"destination": "billing"}, "destination", "ask for deliveries"),
        ({"since": "yesterday"}, "since", "neither"),
        ({"until": "noon"}, "until", "neither"),
        ({"since": "1h", "until": "2h"}, "since", "not before"),
        ({"rate": 0}, "rate", "0 a second"),
        ({"rate": -1.0}, "rate", "-1 a second"),
        ({"rate": float("nan")}, "rate", "nan a second"),
        ({"rate": float("inf")}, "rate", "inf a second"),
    ],
    ids=str,
)
def test_what_cannot_be_replayed_is_refused(words: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        read(**words)
    assert refused.value.field == field


def test_the_only_destination_is_one_that_there_is() -> None:
    assert read_target("billing", None, TARGETS) == BILLING
    assert read_target(None, None, TARGETS) is None
    with pytest.raises(Refused, match='did you mean "billing"') as refused:
        read_target("biling", None, TARGETS)
    assert refused.value.field == "to"


def test_deliveries_to_a_destination_that_is_gone_need_another_one() -> None:
    with pytest.raises(Refused, match="any more") as refused:
        read_target(None, "gone", TARGETS)
    assert refused.value.field == "destination"
    assert read_target("billing", "gone", TARGETS) == BILLING


@pytest.mark.parametrize(
    ("rate", "rows"), [(None, PAGE), (0.2, 1), (1, 1), (7.9, 7), (PAGE, PAGE), (10_000, PAGE)]
)
def test_a_page_is_a_seconds_worth(rate: float | None, rows: int) -> None:
    assert portion(rate) == rows


def test_without_a_rate_nothing_is_waited_for() -> None:
    assert following(0, NOW, PAGE, None) == NOW


@pytest.mark.parametrize("rate", [0.3, 1.0, 42.0, 3_000.0])
@pytest.mark.parametrize("delay_ms", [0, 700, 90_000])
def test_no_stretch_of_time_has_more_than_its_rate(rate: float, delay_ms: int) -> None:
    """Whatever a page is late; what one second of waiting has cost is made up for, and a page."""
    due_at, now = 0, NOW
    done: list[tuple[int, int]] = []
    for number in range(50):
        now = max(now, due_at) + (delay_ms if number % 7 == 3 else 3)
        rows = portion(rate)
        done.append((now, rows))
        due_at = following(due_at, now, rows, rate)
    for begin, (since, _) in enumerate(done):
        for end in range(begin, len(done)):
            seconds = (done[end][0] - since) / 1_000
            rows = sum(count for _, count in done[begin : end + 1])
            assert rows <= rate * (seconds + 1) + portion(rate), (begin, end)


def test_a_steady_replay_keeps_up_with_its_rate() -> None:
    due_at = now = NOW
    for _ in range(100):
        now = max(now, due_at) + 20
        due_at = following(due_at, now, 10, 10)
    assert now - NOW <= 100_000
