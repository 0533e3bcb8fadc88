"""Events by the console: found, looked at, saved byte for byte, sent again."""

import pytest

from ingest.events import DeliveryState
from ingest.store import dispatch, queries
from tests.console.rig import Console
from tests.store import making

pytestmark = pytest.mark.anyio

NOBODY = "0191b2c0-0000-7000-8000-000000000001"


async def ids(console: Console, **filters: object) -> list[str]:
    return [item["id"] for item in (await console.get("events", **filters))["items"]]


async def test_events_are_filtered_by_source_type_state_and_time(console: Console) -> None:
    hour_ago = making.now_ms() - 3_600_000
    (old,) = making.stored(console.database, received_at=hour_ago)
    (push,) = making.stored(console.database)
    (paid,) = making.stored(console.database, source="stripe", type="invoice.paid")
    dispatch.dispatch(console.database, [(push, ())])

    assert await ids(console) == [paid.id, push.id, old.id]
    assert await ids(console, source="github") == [push.id, old.id]
    assert await ids(console, type="invoice.paid") == [paid.id]
    assert await ids(console, state="unmatched") == [push.id]
    assert await ids(console, until=hour_ago + 1) == [old.id]
    assert await ids(console, since=hour_ago + 1, source="github") == [push.id]
    assert await ids(console, since="1970-01-01T01:00:00+01:00", limit=1) == [paid.id]
    assert await ids(console, until="1970-01-01T00:00:00.001Z") == []


@pytest.mark.parametrize("limit", [1, 3, 4, 10, 11])
async def test_pages_join_without_gap_or_overlap(console: Console, limit: int) -> None:
    made = making.stored(console.database, 10)
    seen: list[str] = []
    after: str | None = None
    for _ in range(-(-10 // limit)):  # as many pages as it takes, and no empty one
        page = await console.get("events", limit=limit, after=after)
        assert len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
    assert after is None
    assert seen == sorted((event.id for event in made), reverse=True)


async def test_an_event_is_shown_without_its_body(console: Console) -> None:
    (event,) = making.stored(console.database, body=b"\x00\xff{", source="open")

    shown = await console.get(f"events/{event.id}")

    assert shown["headers"] == [["X-GitHub-Event", "push"], ["X-Twice", "1"], ["x-twice", "2"]]
    assert (shown["source"], shown["state"], shown["body_bytes"]) == ("open", "stored", 3)
    assert "body" not in shown


@pytest.mark.parametrize("said", [True, False, None])
async def test_an_event_says_whether_its_type_is_signed(
    console: Console, *, said: bool | None
) -> None:
    (event,) = making.stored(console.database, type_signed=said)

    shown = await console.get(f"events/{event.id}")
    (listed,) = (await console.get("events"))["items"]

    assert shown["type_signed"] is listed["type_signed"] is said


async def test_a_body_is_downloaded_byte_for_byte_and_never_shown(console: Console) -> None:
    """A sender wrote it: a browser must neither guess its type nor render it."""
    body = b'<script>alert(1)</script>\x00\xff\r\n{"a": 1.0}'
    (event,) = making.stored(console.database, body=body, content_type="text/html")

    answer = await console.client.get(f"/api/v1/events/{event.id}/body")

    assert answer.content == body
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{event.id}"'
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_replayed_event_is_routed_again_under_a_new_generation(console: Console) -> None:
    making.dispatched(console.database, "billing")
    (row,) = queries.list_events(console.database)

    answer = await console.post(f"events/{row.id}/replay")

    assert answer.status_code == 202
    assert answer.json() == {"event_id": row.id, "generation": 1}
    assert answer.headers["location"] == f"/api/v1/events/{row.id}"
    (event,) = dispatch.undispatched(console.database, [row.id])
    dispatch.dispatch(console.database, [(event, (making.target("billing"),))])
    found = queries.list_deliveries(console.database, event_id=row.id)
    assert [each.generation for each in found] == [0, 1]
    assert {each.state for each in found} == {DeliveryState.WAITING}


@pytest.mark.parametrize("event_id", [NOBODY, NOBODY[:8], "x", "%00", "%27", "..%2e", "A" * 36])
@pytest.mark.parametrize(("method", "ending"), [("GET", ""), ("GET", "/body"), ("POST", "/replay")])
async def test_an_unknown_event_is_not_found(
    console: Console, event_id: str, method: str, ending: str
) -> None:
    """The beginning of an id is for people at a command line; a program has the whole one."""
    making.stored(console.database)

    assert await console.fault(method, f"events/{event_id}{ending}") == (404, "not_found", None)
