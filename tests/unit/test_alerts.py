"""When an alert is told: once, again after its cool-down, and once when it is over."""

from ingest.alerts import AlertName, AlertState, Seen, Standing, content, decide, event_type

HOUR = 3_600_000
SEEN = Seen(AlertName.BACKLOG, "deliver", 5, 90_500)
FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED


def told(*looks: tuple[int, Seen | None]) -> list[AlertState | None]:
    """What is told when this is seen at these times, with a cool-down of an hour."""
    standing: Standing | None = None
    said = []
    for now, seen in looks:
        standing, tell = decide(standing, seen, now, HOUR)
        said.append(tell)
    return said


def test_what_is_well_is_not_mentioned() -> None:
    assert told((0, None), (1, None)) == [None, None]


def test_it_is_told_once_and_again_after_the_cool_down() -> None:
    looks = [(0, SEEN), (1, SEEN), (HOUR - 1, SEEN), (HOUR, SEEN), (HOUR + 1, SEEN)]
    assert told(*looks) == [FIRING, None, None, FIRING, None]


def test_its_end_is_told_at_once() -> None:
    assert told((0, SEEN), (1, None), (2, None)) == [FIRING, RESOLVED, None]


def test_what_flaps_is_told_once_an_hour() -> None:
    looks = [(0, SEEN), (1, None), (2, SEEN), (3, None), (4, SEEN), (HOUR, SEEN), (HOUR + 1, None)]
    assert told(*looks) == [FIRING, RESOLVED, None, None, None, FIRING, RESOLVED]


def test_the_count_is_the_latest_and_the_beginning_the_first() -> None:
    first, _ = decide(None, SEEN, 10, HOUR)
    second, _ = decide(first, Seen(AlertName.BACKLOG, "deliver", 9), 20, HOUR)

    assert second == Standing(FIRING, since=10, last_event_at=10, count=9)


def test_every_alert_has_words_for_people() -> None:
    standing = Standing(FIRING, 0, 0, 1_234)
    for name in AlertName:
        for state in AlertState:
            body = content(name, "billing", state, standing, 90_500)
            assert "billing" in body["summary"]
            assert "{" not in body["summary"] + body["advice"]
    backlog = content(AlertName.BACKLOG, "deliver", FIRING, standing, 90_500)
    assert backlog["summary"] == "The queue deliver is 90s behind; 1,234 wait."


def test_the_end_is_a_subtype_so_that_a_route_for_the_alert_gets_it_too() -> None:
    assert event_type(AlertName.BACKLOG, FIRING) == "alert.backlog"
    assert event_type(AlertName.BACKLOG, RESOLVED) == "alert.backlog.resolved"
