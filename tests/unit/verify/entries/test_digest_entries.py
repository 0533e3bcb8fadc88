"""Every entry of ``digests.txt``: its message holds, and nothing that was done to it does."""

import pytest

from tests.unit.verify.builders.judging import NOW, Sent
from tests.unit.verify.entries.digests import FACTS, Fact

MONTH = 30 * 86_400
#: What an entry may be told of a request that is not, or no longer, as its sender made it.
every_entry = pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)


def _as_made(digest: str) -> str:
    return digest


def _sent(fact: Fact, number: int = 1) -> Sent:
    return fact.send(fact.secret(1), number, _as_made)


def _digest(fact: Fact, number: int) -> str:
    made: list[str] = []
    fact.send(fact.secret(1), number, made.append)
    return made[0]


@every_entry
def test_a_genuine_message_holds(fact: Fact) -> None:
    for number in (1, 2):
        verdict = _sent(fact, number).verdict()
        assert verdict["valid"], verdict["reason"]


@every_entry
def test_either_of_two_secrets_counts(fact: Fact) -> None:
    assert _sent(fact).but(secret=[fact.secret(2), fact.secret(1)]).holds()


@every_entry
def test_a_changed_body_is_refused(fact: Fact) -> None:
    sent = _sent(fact)
    for body in (sent.body + b" ", sent.body[:-1], sent.body.replace(b"evt_1", b"evt_2"), b""):
        verdict = sent.but(body=body).verdict()
        assert not verdict["valid"]
        assert verdict["reason"] == "bad_signature"


@every_entry
def test_another_secret_proves_nothing(fact: Fact) -> None:
    assert _sent(fact).but(secret=fact.secret(2)).verdict()["reason"] == "bad_signature"


@every_entry
def test_another_messages_signature_proves_nothing(fact: Fact) -> None:
    stolen = _digest(fact, 2)
    assert stolen != _digest(fact, 1)
    assert not fact.send(fact.secret(1), 1, lambda _: stolen).holds()


@every_entry
def test_a_cut_lengthened_or_changed_signature_proves_nothing(fact: Fact) -> None:
    def changed(made: str) -> str:
        return ("1" if made[0] == "0" else "0") + made[1:]

    for edit in (lambda made: made[:-1], lambda made: made[:8], lambda made: made + "0", changed):
        assert not fact.send(fact.secret(1), 1, edit).holds()


@every_entry
def test_a_message_without_its_signature_is_refused(fact: Fact) -> None:
    for edit in (lambda _: None, lambda _: ""):
        assert not fact.send(fact.secret(1), 1, edit).holds()


@every_entry
def test_a_message_without_any_of_its_headers_is_refused(fact: Fact) -> None:
    """Whatever is signed has to be there; a key's number and a content type are not."""
    sent = _sent(fact)
    signed = [each.partition(": ")[0] for each in fact.carried.split("; ") if "{" in each]
    for name in (name for name in signed if name in sent.headers):
        assert not sent.with_header(name, None).holds()


@pytest.mark.parametrize(
    "fact", [fact for fact in FACTS.values() if fact.grows_old], ids=lambda fact: fact.slug
)
def test_a_message_of_last_month_is_stale(fact: Fact) -> None:
    verdict = _sent(fact).but(now=NOW + MONTH).verdict()
    assert verdict["reason"] == "stale_timestamp"


@pytest.mark.parametrize(
    "fact", [fact for fact in FACTS.values() if not fact.grows_old], ids=lambda fact: fact.slug
)
def test_where_no_time_is_signed_a_message_stays_good(fact: Fact) -> None:
    assert _sent(fact).but(now=NOW + MONTH).holds()
