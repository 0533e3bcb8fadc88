"""The document is valid, complete, and true: every operation is called and compared with it."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from ingest.console.table import OPERATIONS
from ingest.store import jobs
from ingest.store.rejected import keep
from tests.console.rig import Console
from tests.console.test_deliveries import dead
from tests.store import job_making, making
from tests.store.rejecting import rejected_request

pytestmark = pytest.mark.anyio

NAMES = [operation.name for operation in OPERATIONS] + ["openapi"]


@dataclass
class Example:
    """A call that succeeds. ``path`` fills the document's template."""

    status: int = 200
    path: dict[str, str] = field(default_factory=dict)
    json: Any = None


def example(name: str, console: Console) -> Example:
    """Make what an operation needs to succeed."""
    (event,) = making.stored(console.database)
    one_event = {"event_id": event.id}
    one_delivery = {"delivery_id": dead(console)}
    one_job = {"job_id": job_making.made_one(console.database)}
    ended = {"job_id": job_making.made_one(console.database)}
    jobs.cancel(console.database, ended["job_id"])
    billing = {"name": "billing"}
    github = {"name": "github"}
    turned_away = rejected_request()
    keep(console.database, [turned_away])
    one_rejected = {"rejected_id": turned_away.id}
    examples = {
        "get_event": Example(path=one_event),
        "get_event_body": Example(path=one_event),
        "replay_event": Example(202, one_event),
        "get_delivery": Example(path=one_delivery),
        "replay_delivery": Example(202, one_delivery),
        "get_provider": Example(path=github),
        "pause_destination": Example(path=billing, json={"reason": "a move"}),
        "resume_destination": Example(path=billing),
        "make_export": Example(202, json={"format": "csv"}),
        "preview_replay": Example(json={"since": "7d"}),
        "make_replay": Example(202, json={"to": "billing", "rate": 2.5}),
        "make_job": Example(202, json={"kind": "resize", "args": ["x"]}),
        "get_rejected": Example(path=one_rejected),
        "get_rejected_body": Example(path=one_rejected),
        "reverify_rejected": Example(json={"source": "github"}),
        "get_job": Example(path=ended),
        "stream_job": Example(path=ended),
        "cancel_job": Example(path=one_job),
        "pause_job": Example(path=one_job),
        "resume_job": Example(path=one_job),
    }
    return examples.get(name, Example())


def template(console: Console, name: str) -> tuple[str, str]:
    """Method and path of an operation, as the document has them."""
    for path, verbs in console.document["paths"].items():
        for verb, described in verbs.items():
            if described["operationId"] == name:
                return verb, path
    raise AssertionError(f"the document has no {name}")


async def test_the_document_is_valid_openapi(console: Console) -> None:
    OpenAPIV31SpecValidator(console.document).validate()
    assert console.document["openapi"].startswith("3.1")


async def test_the_document_has_every_operation_and_no_other(console: Console) -> None:
    described = [
        operation["operationId"]
        for path in console.document["paths"].values()
        for operation in path.values()
    ]
    assert sorted(described) == sorted(NAMES)
    assert len(set(described)) == len(described)


@pytest.mark.parametrize("name", NAMES)
async def test_every_operation_answers_as_the_document_says(console: Console, name: str) -> None:
    method, path = template(console, name)
    call = example(name, console)

    answer = await console.client.request(method, path.format(**call.path), json=call.json)

    assert answer.status_code == call.status, answer.text
    console.check(name, answer)


@pytest.mark.parametrize("name", NAMES)
async def test_every_operation_refuses_as_the_document_says(console: Console, name: str) -> None:
    """An unknown parameter is a mistake everywhere; an unknown id and no token are, where told."""
    method, path = template(console, name)
    names = ("event_id", "delivery_id", "name", "job_id", "rejected_id")
    unknown = path.format(**dict.fromkeys(names, "x"))

    wrong = await console.client.request(method, f"{unknown}?no_such_parameter=1")
    assert wrong.status_code == 422
    console.check(name, wrong)
    if "{" in path:
        missing = await console.client.request(method, unknown)
        assert missing.status_code == 404
        console.check(name, missing)
    stranger = await console.client.request(method, unknown, headers={"authorization": ""})
    if console.operation(method, name).get("security") == []:
        assert stranger.status_code == 200
    else:
        assert stranger.status_code == 401
    console.check(name, stranger)


async def test_parameters_are_described_with_their_place_and_limits(console: Console) -> None:
    described = console.operation("get", "list_events")["parameters"]
    parameters = {one["name"]: one for one in described}

    assert set(parameters) == {"source", "type", "state", "since", "until", "after", "limit"}
    assert {one["in"] for one in described} == {"query"}
    limit = parameters["limit"]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 50)
    assert "null" not in str(parameters["since"]["schema"])
    (event_id,) = console.operation("get", "get_event")["parameters"]
    assert (event_id["in"], event_id["required"]) == ("path", True)
