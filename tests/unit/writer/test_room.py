"""How many may wait: all of a burst; under a lasting overload, who can be answered in time."""

from ingest.writer.room import Room

LATE = 0.3


def test_a_burst_finds_all_the_room_there_is() -> None:
    assert Room(2_048, LATE).events == 2_048


def test_late_answers_make_the_room_smaller_and_timely_ones_larger_again() -> None:
    room = Room(2_048, LATE)
    room.learn(LATE + 0.1, now=1.0)
    shrunk = room.events
    assert shrunk < 2_048
    for step in range(2_048):
        room.learn(LATE - 0.1, now=2.0 + step)
        assert shrunk < room.events <= 2_048
    assert room.events == 2_048


def test_what_was_let_in_before_makes_it_no_smaller_twice() -> None:
    """A backlog's answers all come late, and say the same thing."""
    room = Room(2_048, LATE)
    room.learn(0.5, now=10.0)
    once = room.events
    room.learn(0.6, now=10.3)
    assert room.events == once, "let in at 9.7"
    room.learn(0.4, now=10.5)
    assert room.events < once, "let in at 10.1, when there was less room"


def test_somebody_is_always_let_in() -> None:
    room = Room(2_048, LATE)
    for second in range(100):
        room.learn(LATE * 2, now=float(second))
    assert room.events == 64
