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
HANDSHAKES = _lines("handshakes.jsonl")
STRICT = [line for line in SIGNATURES if line["strict"]]

#: Where careful implementations differ: our verdict, and why.
OURS = {
    "github-009": False,  # SHA-1 alone: GitHub advises against it
    "stripe-014": False,  # five minutes in the future: we check both ways, stripe-python one
    "paddle_billing-010": False,  # six seconds old, where the SDK allows five
    "mailgun-007": True,  # another body: Mailgun signs none of it
    "mailgun-009": False,  # older than the official SDK's 900 s
    "zoom-008": False,  # older than the customary 300 s
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


@pytest.mark.parametrize("line", HANDSHAKES, ids=[line["id"] for line in HANDSHAKES])
def test_a_handshake_is_answered_as_its_provider_asks(line: dict[str, Any]) -> None:
    answer = verify_line(line, load_catalogue())["response"]
    expected = line["expect_response"]
    assert answer["status"] == expected["status"]
    assert any(_fits(answer, each) for each in expected.get("any_of", [expected]))


def _fits(answer: dict[str, Any], expected: dict[str, Any]) -> bool:
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    wanted = {name.lower(): value for name, value in expected.get("headers", {}).items()}
    kind = expected.get("content_type", "")
    return (
        headers.get("content-type", "").startswith(kind)
        and wanted.items() <= headers.items()
        and answer["body"] == expected.get("body", answer["body"])
        and ("json" not in expected or json.loads(answer["body"]) == expected["json"])
    )
