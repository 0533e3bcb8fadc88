"""The database is read row by row, and no word of Hookkeeper's about a row is believed."""

import hashlib
import json
from dataclasses import replace

import pytest

from ingest.events import AttemptOutcome, AttemptResult, DeliveryState
from ingest.store import Database, claims
from ops.torture import evidence
from ops.torture.written import Delivery
from tests.store.making import (
    CRASH,
    a_worker,
    accepted,
    arrival,
    claimed,
    dispatched,
    execute,
    settled,
)
from tests.torture.examples import broken, delivery, good

BODY = json.dumps({"key": "a"}).encode()


def test_a_stored_body_is_hashed_itself_and_no_column_is_believed(database: Database) -> None:
    accepted(database, arrival(BODY))
    changed = BODY.replace(b"{", b"{ ")
    execute(database, "UPDATE payloads SET body = :body", body=changed)

    (found,) = evidence.stored_events(database)

    assert (found.key, found.digest) == ("a", hashlib.sha256(changed).hexdigest())


def tried(database: Database, *results: AttemptResult) -> Delivery:
    """A delivery that was tried so often, each time in vain."""
    (ref,) = dispatched(database, "sink")
    worker = a_worker(database)
    for result in results:
        execute(database, "UPDATE deliveries SET due_at = 0, wake_at = 0, state = 'waiting'")
        (claim,) = claimed(database, worker, [ref])
        outcome = settled(claim, DeliveryState.WAITING, result, wake_at=0)
        claims.record(database, worker, [outcome], {})
    (found,) = evidence.made_deliveries(database, {})
    return found


def failure(code: str) -> AttemptResult:
    return AttemptResult(AttemptOutcome.RETRYABLE, code, "no answer")


@pytest.mark.parametrize("code", ["connection_refused", "unknown_name", "unknown_destination"])
def test_an_attempt_from_which_no_byte_left_is_told_from_others(
    database: Database, code: str
) -> None:
    found = tried(database, failure(code), failure("connection_lost"), failure("http_500"), CRASH)

    assert (found.failures, found.unsent) == (4, 1)
    assert (found.crashes, found.own_crashes) == (1, 1)


def test_what_sent_nothing_explains_no_second_send() -> None:
    evidence_of_two = replace(good("a"), sends=list(good("a").sends) * 2)
    refused = [delivery("a", "sink", failures=1, unsent=1), delivery("a", "keep")]
    cut_off = [delivery("a", "sink", failures=2, unsent=1), delivery("a", "keep")]

    assert broken(replace(evidence_of_two, deliveries=cut_off)) == set()
    assert broken(replace(evidence_of_two, deliveries=refused)) == {
        "I4 sent more often than it failed"
    }
