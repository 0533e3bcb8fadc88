"""Every real GitHub example, posted, stored and delivered byte-identical."""

import json
from pathlib import Path

import orjson
import pytest

from ingest.store import queries
from tests.pipeline import Pipeline
from tests.waiting import wait_until

pytestmark = pytest.mark.live

#: One JSON object a line: event name, body, source and licence (npm
#: @octokit/webhooks-examples 7.6.1, MIT).
EXAMPLES = Path(__file__).parent.parent / "samples" / "github_examples.jsonl"


def test_every_github_example_arrives_byte_identical(pipeline: Pipeline) -> None:
    sent: dict[str, bytes] = {}
    for line in EXAMPLES.read_text().splitlines():
        example = json.loads(line)
        body = orjson.dumps(example["body"])
        answer = pipeline.github(body, event=example["headers"]["x-github-event"])
        assert answer.status == 202, (example["event"], answer)
        sent[answer.id] = body

    assert len(sent) == 334
    with pipeline.database() as database:
        assert {id_: queries.get_event(database, id_).body for id_ in sent} == sent
    wait_until(lambda: set(sent) <= pipeline.noted_ids("handled"), timeout=60)
    handled = {id_: (pipeline.folder / "bodies" / id_).read_bytes() for id_ in sent}
    assert handled == sent
    wait_until(lambda: set(sent) <= set(delivered(pipeline)), timeout=60)
    assert {id_: delivered(pipeline)[id_] for id_ in sent} == sent


def delivered(pipeline: Pipeline) -> dict[str, bytes]:
    return {
        request.header("webhook-id"): request.body for request in pipeline.sink.requests("/sink")
    }
