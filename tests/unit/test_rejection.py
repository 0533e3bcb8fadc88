"""How much of what proves nothing is kept, and what is said of it."""

import pytest

from ingest.explaining import explain
from ingest.rejection import RejectedRequest, cut, likely_credential
from ingest.verify import Reason
from ingest.writer.outstanding import OUTSTANDING_BYTES, Outstanding

#: Of `verify --jsonl`; no receiver says them.
OF_LINES = {Reason.UNKNOWN_PROVIDER, Reason.MALFORMED_LINE}


def request(body: bytes) -> RejectedRequest:
    return RejectedRequest(
        "id", "github", 0, 0, "POST", "/in/github", (), "", body, b"", "bad_signature", "", "", 0
    )


def test_what_is_on_the_way_to_the_writer_is_bounded() -> None:
    outstanding = Outstanding()
    large = request(b"x" * (OUTSTANDING_BYTES // 4))
    assert [outstanding.add(large) for _ in range(4)] == [True] * 3 + [False]
    outstanding.settle(1)
    assert [outstanding.add(large) for _ in range(2)] == [True, False]
    outstanding.clear()
    assert outstanding.add(large)


@pytest.mark.parametrize(
    "name", ["x-gitlab-token", "X-Hook-Secret", "api_key", "X-Api-Key", "password", "apikey"]
)
def test_a_name_that_promises_a_credential_is_taken_at_its_word(name: str) -> None:
    assert likely_credential(name)


@pytest.mark.parametrize("name", ["x-hub-signature-256", "stripe-signature", "webhook-id"])
def test_a_signature_is_none(name: str) -> None:
    assert not likely_credential(name)


def test_a_detail_can_always_be_stored() -> None:
    assert cut("a\0b") == "ab"
    assert len(cut("x" * 10_000)) == 500


@pytest.mark.parametrize("reason", sorted(set(Reason) - OF_LINES))
def test_every_reason_says_what_to_do(reason: Reason) -> None:
    """A new reason without advice would leave the operator alone with a word."""
    assert explain(reason).advice


def test_the_steps_before_the_one_that_failed_have_passed() -> None:
    results = [step.result for step in explain(Reason.BAD_SIGNATURE).steps]
    assert results == ["passed", "passed", "passed", "failed", "not reached", "not reached"]
    assert explain("something new").steps == ()
