"""What the receiver counts of a source, and when it writes that down."""

from collections.abc import Callable
from itertools import count

import pytest
from prometheus_client import REGISTRY

from ingest import answers
from ingest.config.model import Source
from ingest.entrances import Entrance
from ingest.verify import load_catalogue

GITHUB = load_catalogue()["github"]
ACCEPTED = answers.accepted(GITHUB, "an id")
DUPLICATE = answers.duplicate(GITHUB, "an id")
REFUSED = answers.rejected(401, "bad_signature", "No.")
_names = count()


@pytest.fixture
def source() -> Source:
    """Of a name that nothing was counted under before."""
    return Source(name=f"entrance-{next(_names)}", provider=GITHUB)


def counted(source: Source, figure: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(figure, {"source": source.name, **labels}) or 0.0


def received(source: Source) -> float:
    return counted(source, "hookkeeper_received_total")


def ended(source: Source, outcome: str) -> float:
    return counted(source, "hookkeeper_requests_total", outcome=outcome)


def test_without_an_event_loop_each_request_is_written_at_once(source: Source) -> None:
    entrance = Entrance(source)
    entrance.begin()
    assert received(source) == 1
    entrance.end(ACCEPTED, 2_048, 0.004)
    assert ended(source, "accepted") == 1
    assert counted(source, "hookkeeper_ack_seconds_sum") == 0.004


def test_what_a_turn_counts_is_written_together_at_its_end(source: Source) -> None:
    planned: list[Callable[[], None]] = []
    entrance = Entrance(source, soon=planned.append)
    for answer in (ACCEPTED, ACCEPTED, DUPLICATE, REFUSED):
        entrance.begin()
        entrance.end(answer, 100, 0.5)
    assert (received(source), len(planned)) == (0, 1)

    planned.pop()()

    outcomes = {one: ended(source, one) for one in ("accepted", "duplicate", "rejected")}
    assert outcomes == {"accepted": 2, "duplicate": 1, "rejected": 1}
    assert received(source) == sum(outcomes.values())
    assert counted(source, "hookkeeper_ack_seconds_count") == 3
    assert counted(source, "hookkeeper_ack_deadline_ratio_count") == 3  # GitHub waits 10 s
    assert counted(source, "hookkeeper_ack_deadline_ratio_sum") == pytest.approx(3 * 0.5 / 10)


def test_the_next_turn_is_written_by_itself(source: Source) -> None:
    planned: list[Callable[[], None]] = []
    entrance = Entrance(source, soon=planned.append)
    entrance.begin()
    planned.pop()()
    entrance.end(ACCEPTED, 100, 0.5)
    assert (received(source), ended(source, "accepted")) == (1, 0)
    planned.pop()()
    assert (received(source), ended(source, "accepted")) == (1, 1)
    assert planned == []
