"""Whatever comes in whatever batches: a key has one event until it expires, and nothing is lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.events import Accepted, Arrival
from ingest.store import Database, queries
from tests.store.making import accepted, arrival, key_of, new_id

KEYS = ("a", "b", "c")
BODIES = (b"{}", b'{"other":1}')


@dataclass(frozen=True)
class Request:
    """What a sender sends: perhaps with a key, perhaps one that is no longer remembered."""

    key: str | None
    body: bytes
    forgotten: bool


requests = st.builds(
    Request,
    key=st.sampled_from((None, *KEYS)),
    body=st.sampled_from(BODIES),
    forgotten=st.booleans(),
)
#: A batch, and whether its commit's outcome stayed unknown, so that it was given again.
batches = st.lists(st.tuples(st.lists(requests, max_size=6), st.booleans()), max_size=6)


@dataclass
class Model:
    """Says what the store should answer, with a dictionary in place of a database."""

    owners: dict[bytes, Arrival] = field(default_factory=dict)

    def accept(self, batch: Sequence[Arrival]) -> list[Accepted]:
        winners: dict[bytes, Arrival] = {}
        for one in batch:
            if one.dedupe_key is not None and one.dedupe_key not in winners:
                owner = self.owners.get(one.dedupe_key)
                expired = owner is None or (owner.dedupe_for_ms or 0) < 0
                winners[one.dedupe_key] = one if owner is None or expired else owner
        self.owners |= winners
        return [self._answer(one) for one in batch]

    def _answer(self, one: Arrival) -> Accepted:
        owner = one if one.dedupe_key is None else self.owners[one.dedupe_key]
        if owner.event_id == one.event_id:
            return Accepted(one.event_id)
        return Accepted(owner.event_id, duplicate=True, conflicting=owner.body != one.body)


def arrive(request: Request, example: str) -> Arrival:
    if request.key is None:
        return arrival(request.body)
    ahead = -1_000 if request.forgotten else 600_000
    return arrival(request.body, key=key_of(example + request.key), dedupe_for_ms=ahead)


@given(sent=batches)
@settings(
    max_examples=60,
    deadline=None,
    # The database outlives an example: every example has keys and ids of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_store_answers_like_a_dictionary(
    database: Database, sent: list[tuple[list[Request], bool]]
) -> None:
    example, model = new_id(), Model()
    told: set[str] = set()
    for content, unknown in sent:
        batch = [arrive(request, example) for request in content]
        answers = accepted(database, *batch)
        assert answers == model.accept(batch)
        if unknown and not any(request.forgotten for request in content):
            assert accepted(database, *batch) == answers
        told |= {answer.event_id for answer in answers}
    for event_id in told:
        assert queries.get_event(database, event_id).id == event_id
