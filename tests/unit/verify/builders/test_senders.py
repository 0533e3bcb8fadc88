"""Every provider with a builder or with signed fields: what holds, and all that must not."""

import tomllib
from importlib import resources

import pytest

from tests.unit.verify.builders.judging import NOW, Sent
from tests.unit.verify.builders.senders_of_fields import SENDERS as OF_FIELDS
from tests.unit.verify.builders.senders_of_headers import SENDERS as OF_HEADERS
from tests.unit.verify.builders.senders_of_headers import Sender

SENDERS = OF_FIELDS | OF_HEADERS
SECRET, OTHER = "s3cret-of-the-source", "another-secret-of-another"
every_sender = pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS.keys())


def _as_made(signature: str) -> str:
    return signature


def _sent(send: Sender, number: int = 1) -> Sent:
    return send(SECRET, number, _as_made)


def _signature(send: Sender, number: int) -> str:
    made: list[str] = []
    send(SECRET, number, made.append)
    return made[0]


@every_sender
def test_a_genuine_request_holds(send: Sender) -> None:
    assert _sent(send).holds()
    assert _sent(send, 2).holds()


@every_sender
def test_one_of_several_secrets_is_enough(send: Sender) -> None:
    genuine = _sent(send)
    other = send(OTHER, 1, _as_made).secret
    held = [str(genuine.secret), str(other)]
    assert genuine.but(secret=held).holds()


@every_sender
def test_another_secret_proves_nothing(send: Sender) -> None:
    assert not _sent(send).but(secret=send(OTHER, 1, _as_made).secret).holds()


@every_sender
def test_another_messages_signature_proves_nothing(send: Sender) -> None:
    stolen = _signature(send, 2)
    assert stolen != _signature(send, 1)
    assert not send(SECRET, 1, lambda _: stolen).holds()


@every_sender
def test_a_cut_or_lengthened_signature_proves_nothing(send: Sender) -> None:
    for edit in (lambda made: made[:-1], lambda made: made[:8], lambda made: made + made[-1]):
        assert not send(SECRET, 1, edit).holds()


@every_sender
def test_a_request_without_signature_is_refused(send: Sender) -> None:
    assert not send(SECRET, 1, lambda _: None).holds()
    assert not send(SECRET, 1, lambda _: "").holds()


@every_sender
def test_nothing_holds_without_a_secret(send: Sender) -> None:
    assert not _sent(send).but(secret="").holds()


def test_every_entry_that_signs_is_tried_here() -> None:
    text = resources.files("ingest.verify").joinpath("catalogue/bespoke.toml").read_text()
    signed = {
        slug for slug, entry in tomllib.loads(text).items() if entry["family"] in ("hmac", "hash")
    }
    assert signed == set(SENDERS)


#: Which of them sign a time that their documentation gives an end.
DATED = {
    *("box", "cloudinary", "coinbase_cdp", "contentful", "dingtalk", "hook0", "hubspot_v3"),
    *("inngest", "lark", "mailgun", "moov", "quoter", "walmart", "wecom"),
}


@pytest.mark.parametrize("slug", SENDERS)
def test_a_message_of_last_month_is_refused_where_its_time_is_signed(slug: str) -> None:
    sent = _sent(SENDERS[slug])
    assert sent.but(now=NOW + 30 * 86_400).holds() is (slug not in DATED)
