"""The verdict: what answers mean, and which of them an event may have."""

from dataclasses import replace

import pytest

from ingest.simulator.plan import Wanted, plan
from ingest.simulator.planned import Day, Expected, Planned
from ingest.simulator.scorecard import UNANSWERED, Answer, Said, Scorecard, read_answer
from tests.unit.simulator.sources import NOW, sender

WANTED = Wanted(seed=1, events=1, rate=1.0, days=(Day.ORDINARY,))
EVENT = next(plan([sender("github")], WANTED, start=NOW, run="a"))
ACCEPTED, DUPLICATE = Answer(Said.ACCEPTED), Answer(Said.DUPLICATE)
ACKNOWLEDGED, BUSY = Answer(Said.ACKNOWLEDGED), Answer(Said.REFUSED, "503")
FORGED = Answer(Said.REJECTED, "bad_signature")
ONCE = EVENT
EACH = replace(EVENT, expected=Expected.EACH)
NEVER = replace(EVENT, expected=Expected.NEVER, reasons=frozenset({"bad_signature"}))


def _card(planned: Planned, *answers: Answer) -> Scorecard:
    card = Scorecard()
    for answer in answers:
        card.note(planned, answer)
    return card


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (202, b'{"id":"1","status":"accepted"}', ACCEPTED),
        (200, b'{"id":"1","status":"duplicate","hint":"x"}', DUPLICATE),
        (200, b"", ACKNOWLEDGED),
        (200, b'{"code":"SUCCESS"}', ACKNOWLEDGED),
        (200, b'["accepted"]', ACKNOWLEDGED),
        (401, b'{"error":{"code":"bad_signature","message":"x"}}', FORGED),
        (429, b'{"error":{"code":"bad_signature","message":"x"}}', FORGED),
        (429, b"slow down", Answer(Said.REFUSED, "429")),
        (503, b'{"error":{"code":"busy","message":"x"}}', BUSY),
        (503, b'{"error":{"code":"key_unavailable"}}', BUSY),
        (404, b'{"error":{"code":"unknown_source"}}', Answer(Said.REJECTED, "unknown_source")),
        (403, b"<html>", Answer(Said.REJECTED, "403")),
        (400, b'{"error":7}', Answer(Said.REJECTED, "400")),
    ],
)
def test_an_answer_is_read_as_its_sender_should(status: int, body: bytes, answer: Answer) -> None:
    assert read_answer(status, body) == answer


@pytest.mark.parametrize(
    ("planned", "answers"),
    [
        (ONCE, [ACCEPTED]),
        (ONCE, [ACCEPTED, DUPLICATE, DUPLICATE]),
        (ONCE, [DUPLICATE, ACCEPTED]),
        (ONCE, [BUSY, UNANSWERED, ACCEPTED]),
        (ONCE, [UNANSWERED, DUPLICATE]),
        (ONCE, [ACKNOWLEDGED, ACKNOWLEDGED]),
        (EACH, [ACCEPTED, ACCEPTED]),
        (NEVER, [FORGED]),
        (NEVER, [BUSY]),
    ],
)
def test_these_answers_are_right(planned: Planned, answers: list[Answer]) -> None:
    verdict = _card(planned, *answers).verdict()
    assert verdict.as_expected, verdict.wrong


@pytest.mark.parametrize(
    ("planned", "answers", "mistake"),
    [
        (ONCE, [ACCEPTED, ACCEPTED], "accepted 2 times"),
        (ONCE, [DUPLICATE], "passed for a duplicate the first time"),
        (ONCE, [FORGED], "rejected as bad_signature, and is genuine"),
        (ONCE, [ACCEPTED, FORGED], "rejected as bad_signature, and is genuine"),
        (ONCE, [BUSY, BUSY], "never accepted"),
        (ONCE, [UNANSWERED], "never accepted"),
        (EACH, [ACCEPTED, DUPLICATE], "passed for a duplicate"),
        (NEVER, [ACCEPTED], "nobody who should have sent it did"),
        (NEVER, [ACKNOWLEDGED], "nobody who should have sent it did"),
        (NEVER, [Answer(Said.REJECTED, "unknown_source")], "rejected as unknown_source"),
    ],
)
def test_these_are_wrong(planned: Planned, answers: list[Answer], mistake: str) -> None:
    verdict = _card(planned, *answers).verdict()
    assert not verdict.as_expected
    assert verdict.wrong_events == 1
    assert mistake in verdict.wrong[0]
    assert "event 0 (ordinary, github)" in verdict.wrong[0]


def test_it_counts_what_was_sent_and_said() -> None:
    card = _card(ONCE, ACCEPTED, DUPLICATE, BUSY, UNANSWERED)
    card.note(replace(NEVER, event=1), FORGED)
    assert card.counts[Said.ACCEPTED] == 1
    verdict = card.verdict()
    assert (verdict.events, verdict.sent) == (2, 5)
    assert (verdict.accepted, verdict.duplicate, verdict.unanswered) == (1, 1, 1)
    assert verdict.rejected == {"bad_signature": 1}
    assert verdict.refused == {"503": 1}
    assert verdict.by_day == {"ordinary": 2}


def test_of_many_mistakes_the_first_are_told_and_all_are_counted() -> None:
    card = Scorecard()
    for number in range(1_000):
        card.note(replace(ONCE, event=number), FORGED)
    verdict = card.verdict()
    assert verdict.wrong_events == 1_000
    assert len(verdict.wrong) == 20
