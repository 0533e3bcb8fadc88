"""A filter means in SQL what a route means by the same words, whatever senders call their types."""

import pytest

from ingest.filters import MOST_TYPES, Dataset, Filter, read_filter
from ingest.patterns import covers
from ingest.store import Database
from ingest.store.filtering import matching_ids
from ingest.store.schema import events
from tests.store.making import accepted, arrival

#: What is last, or has no next one, in the order of bytes; and what only looks like a wildcard.
TYPES = [
    *("push", "pushed", "push.now", "pusi", "Push", "p%sh", "p_sh"),
    *("\U0010ffff", "\U0010ffff\U0010ffff.a", "a\U0010ffff", "a\U0010ffffz", "b"),
    *("\ud7ff", "\ud7ffz", "\ue000", "z"),
]


def found(database: Database, *types: str) -> set[str]:
    """The types of the events that are wanted."""
    wanted = read_filter(Dataset.EVENTS, types=types, sources=())
    ids = matching_ids(Dataset.EVENTS, wanted, "", "g").subquery()
    with database.read() as tx:
        rows = tx.execute(events.select().join(ids, ids.c.id == events.c.id))
        return {row.type for row in rows}


@pytest.mark.parametrize(
    "type_",
    [
        *("push", "push*", "pus*", "p_*", "*", "Push*"),
        *("\U0010ffff*", "\U0010ffff", "a\U0010ffff*", "\ud7ff*", "\ue000*"),
    ],
)
def test_types_are_compared_as_routes_do(database: Database, type_: str) -> None:
    accepted(database, *(arrival(type=each) for each in TYPES))
    assert found(database, type_) == {each for each in TYPES if covers(type_, each)}


def test_as_many_types_as_may_be_said_are_one_question(database: Database) -> None:
    """Each with a wildcard or without, of events and of deliveries."""
    accepted(database, arrival(type="t7.opened"))
    types = [f"t{number}" + "*" * (number % 2) for number in range(MOST_TYPES)]
    assert found(database, *types) == {"t7.opened"}
    wanted = Filter("github", tuple(types), "dead", "billing")
    with database.read() as tx:
        assert tx.execute(matching_ids(Dataset.DELIVERIES, wanted, "", "g")).all() == []
