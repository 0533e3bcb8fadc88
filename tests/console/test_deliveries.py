"""Deliveries and dead letters by the console."""

from typing import Any

import pytest

from ingest.events import DeliveryState
from ingest.store import claims, queries
from tests.console.rig import Console
from tests.store import making

pytestmark = pytest.mark.anyio

NOBODY = "0191b2c0-0000-7000-8000-000000000001"


def dead(console: Console, destination: str = "billing") -> str:
    """A delivery that was given up; its id."""
    (ref,) = making.dispatched(console.database, destination)
    worker = making.a_worker(console.database)
    (claim,) = making.claimed(console.database, worker, [ref])
    given_up = making.settled(claim, DeliveryState.DEAD, making.REFUSAL)
    claims.record(console.database, worker, [given_up], {})
    return ref.id


async def paged(console: Console, path: str, **filters: object) -> list[dict[str, Any]]:
    """Everything that a list holds, two at a time."""
    items: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = await console.get(path, limit=2, after=after, **filters)
        items += page["items"]
        after = page["next"]
        if after is None:
            return items
        assert len(items) < 100


async def test_deliveries_are_filtered_by_event_destination_and_state(console: Console) -> None:
    given_up = dead(console)
    refs = making.dispatched(console.database, "billing", "audit", count=2)
    event_id = queries.get_delivery(console.database, refs[0].id).event_id

    def found(items: list[dict[str, Any]]) -> set[str]:
        return {item["id"] for item in items}

    of_event = await paged(console, "deliveries", event_id=event_id)
    assert {item["destination"] for item in of_event} == {"billing", "audit"}
    assert found(await paged(console, "deliveries", state="dead")) == {given_up}
    audits = {ref.id for ref in refs if ref.destination == "audit"}
    assert found(await paged(console, "deliveries", destination="audit")) == audits
    assert found(await paged(console, "deliveries")) == {given_up, *(ref.id for ref in refs)}


@pytest.mark.parametrize("state", [None, "waiting", "running", "dead", "succeeded"])
async def test_pages_of_every_state_join_without_gap_or_overlap(
    console: Console, state: str | None
) -> None:
    refs = making.dispatched(console.database, "a", "b", "c", count=3)
    if state in {"running", "dead", "succeeded"}:
        worker = making.a_worker(console.database)
        held = making.claimed(console.database, worker, refs)
        if state != "running":
            ends = [making.settled(claim, DeliveryState(state)) for claim in held]
            claims.record(console.database, worker, ends, {})

    items = await paged(console, "deliveries", state=state)

    seen = [item["id"] for item in items]
    assert sorted(seen) == sorted(ref.id for ref in refs)
    if state != "waiting":
        assert seen == sorted(seen, reverse=True)


async def test_waiting_deliveries_come_as_they_are_tried_also_across_pages(
    console: Console,
) -> None:
    refs = making.dispatched(console.database, "a", "b", count=4)
    for number, ref in enumerate(refs):
        later = making.now_ms() + 60_000 + (number * 7 % 5)  # some at the same moment
        statement = "UPDATE deliveries SET wake_at = :at WHERE id = :id"
        making.execute(console.database, statement, at=later, id=ref.id)

    items = await paged(console, "deliveries", state="waiting")

    places = [(item["wake_at"], item["id"]) for item in items]
    assert len(set(places)) == 8
    assert places == sorted(places)


async def test_a_delivery_is_shown_with_its_attempts(console: Console) -> None:
    shown = await console.get(f"deliveries/{dead(console)}")

    assert (shown["state"], shown["attempts"], shown["last_status"]) == ("dead", 1, 410)
    (attempt,) = shown["history"]
    assert (attempt["number"], attempt["code"], attempt["status"]) == (1, "http_410", 410)
    assert attempt["outcome"] == "permanent"


async def test_a_replayed_dead_letter_is_delivered_anew_and_leaves_the_list(
    console: Console,
) -> None:
    given_up, other = dead(console), dead(console, "audit")
    letters = await paged(console, "dead-letters")
    assert {letter["id"] for letter in letters} == {given_up, other}

    answer = await console.post(f"deliveries/{given_up}/replay")

    assert answer.status_code == 202
    made = answer.json()["delivery_id"]
    assert answer.json() == {"delivery_id": made, "replays": given_up}
    assert answer.headers["location"] == f"/api/v1/deliveries/{made}"
    assert [letter["id"] for letter in await paged(console, "dead-letters")] == [other]
    assert (await console.get(f"deliveries/{made}"))["state"] == "waiting"
    assert (await console.get(f"deliveries/{given_up}"))["replayed_as"] == made


async def test_dead_letters_are_paged_and_filtered(console: Console) -> None:
    made = [dead(console) for _ in range(5)]
    other = dead(console, "audit")

    billing = await paged(console, "dead-letters", destination="billing")

    assert [letter["id"] for letter in billing] == made[::-1]
    audit = await paged(console, "dead-letters", destination="audit")
    assert [letter["id"] for letter in audit] == [other]


async def test_what_has_not_ended_or_was_replayed_is_not_replayed(console: Console) -> None:
    """A second click must not deliver twice."""
    (waiting,) = making.dispatched(console.database, "billing")
    given_up = dead(console)
    assert (await console.post(f"deliveries/{given_up}/replay")).status_code == 202

    for delivery_id in (waiting.id, given_up):
        fault = await console.fault("POST", f"deliveries/{delivery_id}/replay")
        assert fault == (409, "conflict", None)
    assert len(queries.list_deliveries(console.database)) == 3


@pytest.mark.parametrize("delivery_id", [NOBODY, "x", "%00"])
@pytest.mark.parametrize(("method", "ending"), [("GET", ""), ("POST", "/replay")])
async def test_an_unknown_delivery_is_not_found(
    console: Console, delivery_id: str, method: str, ending: str
) -> None:
    fault = await console.fault(method, f"deliveries/{delivery_id}{ending}")
    assert fault == (404, "not_found", None)
