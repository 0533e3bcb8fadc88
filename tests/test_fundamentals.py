"""What Hookkeeper does, told by its behaviour. Read this first.

Every story goes through the front door: real processes started by ``hookkeeper up``, a signed
POST from outside, and a look at what the destinations received.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from ingest.events import DeliveryState
from ingest.store import queries
from tests.pipeline import DESTINATION_SECRET, Pipeline, github_headers, running_pipeline
from tests.services.redis import RedisServer
from tests.services.sink import Answer, Received, Sink
from tests.waiting import wait_until

BODY = b'{"zen": "Keep it logically awesome.",\n "hook_id": 30}'


@pytest.fixture(scope="module")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("fundamentals")
    redis_server.start()
    redis_server.flush()
    with (
        closing(Sink()) as sink,
        running_pipeline(
            folder, f"sqlite:///{folder}/data/hookkeeper.db", redis_server.url, sink
        ) as running,
    ):
        yield running


@contextmanager
def answering(sink: Sink, path: str, status: int) -> Iterator[None]:
    """Let a destination answer with a status for a while, then with 200 again."""
    sink.script(path, Answer(status))
    try:
        yield
    finally:
        sink.script(path, Answer(200))


def unique_body(**fields: object) -> bytes:
    return json.dumps({"n": str(uuid.uuid4()), **fields}).encode()


def received(pipeline: Pipeline, path: str, event_id: str) -> list[Received]:
    """What a destination got of one event, replays included."""
    return [
        request
        for request in pipeline.sink.requests(path)
        if (request.header("webhook-id") or "").startswith(event_id)
    ]


def states(pipeline: Pipeline, event_id: str) -> dict[str, str]:
    with pipeline.database() as database:
        rows = queries.list_deliveries(database, event_id=event_id)
    return {row.destination: row.state for row in rows}


def test_a_signed_event_is_accepted_and_stored_byte_for_byte(pipeline: Pipeline) -> None:
    answer = pipeline.github(BODY)

    assert answer.status == 202
    assert answer.body["status"] == "accepted"
    with pipeline.database() as database:
        stored = queries.get_event(database, answer.id)
    assert stored.body == BODY
    assert stored.type == "ping"


def test_a_tampered_body_is_rejected_and_leaves_nothing_behind(pipeline: Pipeline) -> None:
    body = unique_body()
    with pipeline.database() as database:
        before = {row.id for row in queries.list_events(database, limit=1000)}

    answer = pipeline.post("github", body + b" ", github_headers(body))

    assert answer.status == 401
    with pipeline.database() as database:
        assert {row.id for row in queries.list_events(database, limit=1000)} == before


def test_an_unknown_source_is_not_found(pipeline: Pipeline) -> None:
    answer = pipeline.post("githib", BODY, github_headers(BODY))

    assert answer.status == 404
    assert answer.body["error"]


def test_the_same_delivery_twice_is_one_event(pipeline: Pipeline) -> None:
    body, delivery = unique_body(), str(uuid.uuid4())

    first = pipeline.github(body, delivery=delivery)
    second = pipeline.github(body, delivery=delivery)

    assert (first.status, second.status) == (202, 200)
    assert second.body["status"] == "duplicate"
    assert second.id == first.id


def test_an_event_reaches_its_handler_and_its_destination(pipeline: Pipeline) -> None:
    body = unique_body()

    event_id = pipeline.github(body).id

    wait_until(lambda: received(pipeline, "/sink", event_id), describe="the POST")
    wait_until(lambda: event_id in pipeline.noted_ids("handled"), describe="the handler")
    assert received(pipeline, "/sink", event_id)[0].body == body
    assert (pipeline.folder / "bodies" / event_id).read_bytes() == body


def test_an_async_handler_is_called_too(pipeline: Pipeline) -> None:
    event_id = pipeline.github(unique_body(action="started"), event="watch").id

    wait_until(lambda: event_id in pipeline.noted_ids("async"))


def test_a_destination_can_prove_that_we_sent_it(pipeline: Pipeline) -> None:
    """Standard Webhooks, checked here with nothing but its specification."""
    event_id = pipeline.github(unique_body()).id
    wait_until(lambda: received(pipeline, "/sink", event_id))

    request = received(pipeline, "/sink", event_id)[0]

    timestamp = request.header("webhook-timestamp") or ""
    signed = b".".join([event_id.encode(), timestamp.encode(), request.body])
    key = base64.b64decode(DESTINATION_SECRET.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.header("webhook-id") == event_id
    assert request.header("webhook-signature") == f"v1,{digest}"


def test_a_failing_destination_is_tried_again_until_it_succeeds(pipeline: Pipeline) -> None:
    with answering(pipeline.sink, "/sink", 503):
        event_id = pipeline.github(unique_body()).id
        wait_until(lambda: received(pipeline, "/sink", event_id))

    wait_until(lambda: states(pipeline, event_id).get("sink") == DeliveryState.SUCCEEDED)
    assert len(received(pipeline, "/sink", event_id)) >= 2


def test_what_gives_up_stands_in_the_dead_letter_list_with_its_reason(pipeline: Pipeline) -> None:
    with answering(pipeline.sink, "/failing", 500):
        event_id = pipeline.github(unique_body(zen="fail")).id
        wait_until(
            lambda: states(pipeline, event_id).get("failing") == DeliveryState.DEAD, timeout=20
        )

    dead = [row for row in rows(pipeline.cli("dead", "list")) if row["event_id"] == event_id]
    assert len(received(pipeline, "/failing", event_id)) == 2
    assert [row["destination"] for row in dead] == ["failing"]
    assert "500" in str(dead[0])


def test_a_dead_letter_can_be_replayed(pipeline: Pipeline) -> None:
    with answering(pipeline.sink, "/failing", 500):
        event_id = pipeline.github(unique_body(zen="fail")).id
        wait_until(
            lambda: states(pipeline, event_id).get("failing") == DeliveryState.DEAD, timeout=20
        )
    dead = [row for row in rows(pipeline.cli("dead", "list")) if row["event_id"] == event_id]

    pipeline.cli("dead", "replay", str(dead[0]["id"]))

    wait_until(lambda: len(received(pipeline, "/failing", event_id)) == 3)
    wait_until(
        lambda: event_id not in {row["event_id"] for row in rows(pipeline.cli("dead", "list"))}
    )


def test_a_replayed_event_is_told_apart_by_its_generation(pipeline: Pipeline) -> None:
    event_id = pipeline.github(unique_body()).id
    wait_until(lambda: received(pipeline, "/sink", event_id))

    pipeline.cli("events", "replay", event_id)

    wait_until(lambda: len(received(pipeline, "/sink", event_id)) == 2)
    ids = [request.header("webhook-id") for request in received(pipeline, "/sink", event_id)]
    assert ids == [event_id, f"{event_id}.1"]


def test_a_handler_can_refuse_for_good(pipeline: Pipeline) -> None:
    event_id = pipeline.github(unique_body(), event="fork").id

    wait_until(lambda: states(pipeline, event_id).get("refuse") == DeliveryState.DEAD)

    assert [seen for seen, _ in pipeline.noted("refused")].count(event_id) == 1


def test_an_event_that_nobody_wants_is_kept(pipeline: Pipeline) -> None:
    event_id = pipeline.post("other", b"unwanted").id

    def state() -> str:
        with pipeline.database() as database:
            return queries.get_event(database, event_id).state

    wait_until(lambda: state() == "unmatched")


def test_a_paused_destination_waits_until_it_is_resumed(pipeline: Pipeline) -> None:
    pipeline.cli("destinations", "pause", "sink")
    try:
        event_id = pipeline.github(unique_body()).id
        wait_until(lambda: event_id in pipeline.noted_ids("handled"))
        assert states(pipeline, event_id)["sink"] == DeliveryState.WAITING
    finally:
        pipeline.cli("destinations", "resume", "sink")

    wait_until(lambda: received(pipeline, "/sink", event_id), timeout=20)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"{not json", "application/json", id="malformed JSON"),
        pytest.param(b"\xff\xfe\x00\x80", "application/octet-stream", id="invalid UTF-8"),
        pytest.param(b"", "text/plain", id="empty"),
        pytest.param(b"a=1&a=2&b=%00", "application/x-www-form-urlencoded", id="a form"),
    ],
)
def test_a_strange_body_survives_byte_for_byte(
    pipeline: Pipeline, body: bytes, content_type: str
) -> None:
    """Its sender signed it, so it is true; whether it parses is the destination's business."""
    headers = {**github_headers(body), "Content-Type": content_type}

    event_id = pipeline.post("github", body, headers).id

    wait_until(lambda: received(pipeline, "/sink", event_id))
    request = received(pipeline, "/sink", event_id)[0]
    assert request.body == body
    assert request.header("content-type") == content_type


def test_a_body_over_its_cap_is_refused_whole(pipeline: Pipeline) -> None:
    answer = pipeline.github(b" " * (25 * 1000 * 1000 + 500_000 + 1_000_000))

    assert answer.status == 413


def test_every_story_above_adds_up(pipeline: Pipeline) -> None:
    """The ledger: no event, delivery or attempt is unaccounted for."""
    report = pipeline.cli("doctor")

    assert "ledger" in json.dumps(report)


def rows(printed: object) -> list[dict[str, object]]:
    assert isinstance(printed, list)
    return printed
