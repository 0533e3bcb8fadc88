"""Plans: the same for the same seed, bounded, in order of time, and true to what is expected."""

from collections import Counter, defaultdict

import pytest

from ingest.simulator.plan import Wanted, mixed_up, plan
from ingest.simulator.planned import Day, Expected, Planned
from ingest.simulator.retrying import deadline, waits
from ingest.verify import Reason, Rejected, Verified, load_catalogue, verify
from tests.unit.simulator.sources import EXPIRED, NEXT, NOW, sender

SENDERS = [
    sender("github", NEXT, EXPIRED),
    sender("stripe", NEXT),
    sender("gitlab"),
    sender("twilio"),
    sender("livekit"),
    sender("none"),
]
CATALOGUE = load_catalogue()


def _planned(seed: int = 7, *days: Day, run: str = "a", events: int = 300) -> list[Planned]:
    wanted = Wanted(seed=seed, events=events, rate=100.0, days=days or tuple(Day))
    return list(plan(SENDERS, wanted, start=NOW, run=run))


def _shape(planned: list[Planned]) -> list[tuple[object, ...]]:
    return [
        (each.event, each.at, each.day, each.sender.source.name, each.expected, each.lost)
        for each in planned
    ]


def test_the_same_seed_is_the_same_plan() -> None:
    first, again, other = _planned(7), _planned(7), _planned(8)
    assert _shape(first) == _shape(again)
    assert [each.composed.event_id for each in first] == [each.composed.event_id for each in again]
    assert _shape(first) != _shape(other)


def test_another_run_has_the_same_shape_and_other_ids() -> None:
    first, other = _planned(7), _planned(7, run="b")
    assert _shape(first) == _shape(other)
    ids = {each.composed.event_id for each in first} - {None}
    assert ids.isdisjoint({each.composed.event_id for each in other})


def test_it_has_as_many_events_as_are_wanted_and_every_day() -> None:
    planned = _planned()
    assert {each.event for each in planned} == set(range(300))
    assert {each.day for each in planned} == set(Day)


def test_the_days_have_equal_shares() -> None:
    shares = Counter(each.day for each in {each.event: each for each in _planned()}.values())
    assert max(shares.values()) - min(shares.values()) <= 20


def test_it_comes_in_the_order_of_its_time() -> None:
    times = [each.at for each in _planned()]
    assert times == sorted(times)
    assert times[-1] < 300 / 100.0 + 5.0


def test_no_event_begins_after_its_seconds() -> None:
    wanted = Wanted(seed=1, events=100_000, rate=100.0, seconds=1.0, days=(Day.ORDINARY,))
    planned = list(plan(SENDERS, wanted, start=NOW, run="a"))
    assert 90 <= len(planned) <= 101


def test_a_long_plan_is_begun_at_once() -> None:
    """It is made as it is asked for: the first of a million events costs no more than any."""
    wanted = Wanted(seed=1, events=1_000_000, rate=1_000.0)
    assert next(plan(SENDERS, wanted, start=NOW, run="a")).at == 0.0


@pytest.mark.parametrize("day", Day)
def test_every_day_is_answered_as_it_says(day: Day) -> None:
    """Judged by verify itself, with the secrets of the source, at the moment of sending."""
    planned = _planned(3, day, events=120)
    assert {each.day for each in planned} == {day}
    for each in planned:
        now = NOW + int(each.at * 1_000)
        source = each.sender.source
        verdict = verify(source.provider, each.request(now), source.secrets, now)
        if each.expected is Expected.NEVER:
            assert isinstance(verdict, Rejected), (day, source.name)
            assert verdict.reason in each.reasons
            assert not each.waits
        else:
            assert isinstance(verdict, Verified), (day, source.name, verdict)
            assert verdict.event_id == each.composed.event_id


def test_duplicates_are_one_event_sent_several_times() -> None:
    sendings = Counter(each.event for each in _planned(3, Day.DUPLICATES))
    assert set(sendings.values()) == {2, 3, 4}


def test_reordered_events_arrive_last_one_first() -> None:
    planned = _planned(3, Day.REORDER, events=5)
    assert [each.event for each in planned] == [4, 3, 2, 1, 0]


def test_a_burst_comes_at_one_moment() -> None:
    planned = _planned(3, Day.BURST, events=100)
    assert Counter(each.at for each in planned) == {
        number / 100.0: 20 for number in range(0, 100, 20)
    }


def test_a_rotation_uses_every_secret() -> None:
    planned = [each for each in _planned(3, Day.ROTATION) if each.sender.source.name == "github"]
    ends: defaultdict[bytes, set[Expected]] = defaultdict(set)
    for each in planned:
        ends[each.credential.secret].add(each.expected)
    assert ends == {
        SENDERS[0].source.secrets[0].value: {Expected.ONCE},
        NEXT.value: {Expected.ONCE},
        EXPIRED.value: {Expected.NEVER},
    }


def test_a_lost_answer_is_sent_again_by_the_providers_schedule() -> None:
    names = set()
    for each in _planned(3, Day.RETRIES):
        assert 1 <= each.lost <= min(3, len(each.waits))
        assert each.expected in (Expected.ONCE, Expected.EACH)
        names.add(each.sender.source.name)
    assert "stripe" in names
    assert names.isdisjoint({"github", "gitlab"}), "these never send again by themselves"


def test_a_schedule_has_the_providers_own_steps() -> None:
    """https://docs.slack.dev/apis/events-api: at once, after a minute, after five."""
    assert waits(CATALOGUE["slack"], 1e9) == (1.0, 60.0, 300.0)
    assert waits(CATALOGUE["slack"], 36.1) == pytest.approx((0.1, 6.0, 30.0))
    assert waits(CATALOGUE["github"], 1e9) == ()


def test_a_schedule_of_which_the_number_is_known_fills_the_window() -> None:
    shopify = CATALOGUE["shopify"]
    steps = waits(shopify, 1e9)
    assert len(steps) == 8
    assert sum(steps) == pytest.approx(shopify.retry_window_seconds)
    assert list(steps) == sorted(steps)
    assert steps[-1] > 20 * steps[0]


def test_a_schedule_of_which_nothing_is_known_doubles() -> None:
    assert waits(CATALOGUE["none"], 63.0) == pytest.approx((1.0, 2.0, 4.0, 8.0, 16.0, 32.0))
    assert deadline(CATALOGUE["github"]) == 10.0
    assert deadline(CATALOGUE["none"]) == 30.0


def test_days_that_nobody_can_have_are_left_out() -> None:
    only = [sender("none")]
    days = (Day.ORDINARY, Day.STALE, Day.FORGED, Day.ROTATION)
    wanted = Wanted(seed=1, events=20, rate=10.0, days=days)
    assert {each.day for each in plan(only, wanted, start=NOW, run="a")} == {Day.ORDINARY}
    with pytest.raises(ValueError, match="no source can have"):
        list(
            plan(
                only,
                Wanted(seed=1, events=1, rate=1.0, days=(Day.FORGED,)),
                start=NOW,
                run="a",
            )
        )


def test_who_wants_no_words_with_a_refusal_hears_its_status_alone() -> None:
    wanted = Wanted(seed=1, events=5, rate=10.0, days=(Day.FORGED,))
    forged = list(plan([sender("xero")], wanted, start=NOW, run="a"))
    assert {each.reasons for each in forged} == {frozenset({"401"})}


def test_where_nothing_tells_a_repetition_each_is_accepted() -> None:
    again = [sender("none"), sender("github", dedupe="off", name="off")]
    wanted = Wanted(seed=1, events=20, rate=10.0, days=(Day.DUPLICATES,))
    planned = list(plan(again, wanted, start=NOW, run="a"))
    assert {each.expected for each in planned} == {Expected.EACH}


def test_a_source_that_takes_two_events_for_one_is_named() -> None:
    senders = [sender("github", dedupe="body", name="alike"), sender("github")]
    assert list(mixed_up(senders, NOW)) == ["alike"]


def test_a_stale_request_was_genuine_when_it_was_made() -> None:
    for each in _planned(3, Day.STALE):
        then = NOW - each.age
        source = each.sender.source
        verdict = verify(source.provider, each.request(NOW), source.secrets, then)
        assert isinstance(verdict, Verified)
        late = verify(source.provider, each.request(NOW), source.secrets, NOW)
        assert isinstance(late, Rejected)
        assert late.reason is Reason.STALE_TIMESTAMP
