"""MessageBird's own 44 vectors: every method, URL, body, clock and mistake that it tests."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.verify import load_catalogue
from ingest.verify.lines import verify_line

FILE = Path(__file__).parents[2] / "samples" / "messagebird" / "signatures.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_an_official_vector_gets_its_verdict(vector: dict[str, Any]) -> None:
    line = {
        "provider": "messagebird",
        "method": vector["method"],
        "url": vector["url"],
        "headers": {"MessageBird-Signature-JWT": vector["token"]},
        "body": vector.get("payload", ""),
        "secret": vector.get("secret"),
        "now": dt.datetime.fromisoformat(vector["timestamp"]).timestamp(),
    }
    assert verify_line(line, load_catalogue())["valid"] is vector["valid"]


def test_there_are_vectors_of_both_kinds() -> None:
    assert {vector["valid"] for vector in VECTORS} == {True, False}
