"""Signatures and handshakes with verdicts that are not ours: official SDKs and documentation."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.verify import load_catalogue
from ingest.verify.lines import verify_line

FOLDER = Path(__file__).parents[2] / "samples" / "vectors"


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


SIGNATURES = _lines("signatures.jsonl")
STRICT = [line for line in SIGNATURES if line["strict"]]

#: Where careful implementations differ: our verdict, and why.
OURS = {
    "github-009": False,  # SHA-1 alone: GitHub advises against it
    "stripe-014": False,  # five minutes in the future: we check both ways, stripe-python one
    "svix-008": True,  # svix-* and webhook-* mixed in one request, as Svix's own SDK takes it
}


@pytest.mark.parametrize("line", STRICT, ids=[line["id"] for line in STRICT])
def test_a_strict_vector_gets_its_official_verdict(line: dict[str, Any]) -> None:
    verdict = verify_line(line, load_catalogue())
    assert verdict["id"] == line["id"]
    assert verdict["valid"] is (line["expect"] == "valid"), f"{line['note']}: {verdict['reason']}"
    assert (verdict["reason"] is None) is verdict["valid"]


def test_where_implementations_differ_the_stricter_reading_or_the_sdk_is_ours() -> None:
    verdicts = {
        line["id"]: verify_line(line, load_catalogue())["valid"]
        for line in SIGNATURES
        if not line["strict"]
    }
    assert verdicts == OURS


@pytest.mark.parametrize("provider", ["github", "shopify", "slack", "standardwebhooks", "stripe"])
def test_every_provider_has_vectors_of_both_kinds(provider: str) -> None:
    verdicts = {line["expect"] for line in STRICT if line["provider"] == provider}
    assert verdicts == {"valid", "invalid"}


def test_the_handshake_of_slack_is_answered_as_its_documentation_asks() -> None:
    (line,) = _lines("handshakes.jsonl")
    answer = verify_line(line, load_catalogue())["response"]
    expected = next(
        each
        for each in line["expect_response"]["any_of"]
        if each["content_type"] == answer["headers"]["content-type"]
    )
    assert answer["status"] == line["expect_response"]["status"]
    assert json.loads(answer["body"]) == expected["json"]
