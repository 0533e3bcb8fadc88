"""Each provider that can be signed for: believed, named as the entry says, refused once changed."""

import string
from dataclasses import replace

import pytest

from ingest.signing import Unsignable, check_signable, sign, signs_with_pair
from ingest.verify import Reason, Rejected, Request, Verified, load_catalogue
from ingest.verify.handshakes.answering import answer
from tests.unit.signing.catalogue import (
    NOW,
    OTHER_ID,
    SIGNED,
    SLUGS,
    UNSIGNABLE,
    another_credential,
    known,
)

COVERED = [slug for slug in SIGNED if known(slug).covers_body]
STAMPED = [slug for slug in SIGNED if known(slug).provider.timestamp is not None]
WITH_ID = [slug for slug in SLUGS if known(slug).provider.event_id is not None]
LETTERS = b"bcdefghijklmnopqrstuvwxyza"


def _changes(body: bytes) -> list[bytes]:
    """The body with one lower-case letter changed: each of a dozen all over it."""
    spots = [place for place, byte in enumerate(body) if byte in LETTERS]
    every = max(1, len(spots) // 12)
    return [
        body[:spot] + bytes([LETTERS[(body[spot] - 97) % 26]]) + body[spot + 1 :]
        for spot in spots[::every]
    ]


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_sent_is_verified_as_the_event_it_is(slug: str) -> None:
    entry = known(slug)
    composed = entry.composed()
    verdict = entry.verdict(entry.signed(composed))
    assert isinstance(verdict, Verified), verdict
    assert (verdict.event_type, verdict.event_id) == (composed.event_type, composed.event_id)
    assert bool(verdict.event_type) == (entry.provider.event_type is not None)
    assert bool(verdict.event_id) == (entry.provider.event_id is not None)


@pytest.mark.parametrize("slug", WITH_ID)
def test_every_event_has_an_id_of_its_own(slug: str) -> None:
    entry = known(slug)
    first, other = entry.verdict(entry.request()), entry.verdict(entry.request(OTHER_ID))
    assert isinstance(first, Verified)
    assert isinstance(other, Verified)
    assert first.event_id != other.event_id


@pytest.mark.parametrize("slug", COVERED)
def test_a_changed_body_is_refused(slug: str) -> None:
    entry = known(slug)
    request = entry.request()
    for changed in _changes(request.body):
        verdict = entry.verdict(replace(request, body=changed))
        assert isinstance(verdict, Rejected), changed


@pytest.mark.parametrize("slug", SIGNED)
def test_somebody_elses_secret_is_refused(slug: str) -> None:
    entry = known(slug)
    draft = entry.composed().draft
    forged = sign(entry.provider, draft, another_credential(entry), NOW, options=entry.options)
    verdict = entry.verdict(forged)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("slug", STAMPED)
def test_an_old_request_is_stale_and_its_event_can_be_signed_anew(slug: str) -> None:
    entry = known(slug)
    composed = entry.composed()
    later = NOW + (entry.provider.tolerance_seconds + 2) * 1_000
    verdict = entry.verdict(entry.signed(composed), later)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.STALE_TIMESTAMP
    again = entry.verdict(entry.signed(composed, later), later)
    assert isinstance(again, Verified)
    assert again.event_id == composed.event_id


@pytest.mark.parametrize("slug", SLUGS)
def test_no_event_looks_like_a_handshake(slug: str) -> None:
    entry = known(slug)
    reply = answer(entry.provider, entry.request(), entry.options, entry.secrets, NOW)
    assert reply is None


@pytest.mark.parametrize("slug", SLUGS)
def test_a_body_is_what_its_content_type_says(slug: str) -> None:
    request = known(slug).request()
    kind = request.header("content-type")
    begins = {
        "application/json": b"{[",
        "application/jwt": b"e",
        "text/xml": b"<",
        "application/x-www-form-urlencoded": string.ascii_letters.encode(),
    }
    assert kind in begins
    assert request.body[0] in begins[kind]


@pytest.mark.parametrize("slug", ["twilio", "mandrill", "payu", "dropbox_sign", "gumroad"])
def test_who_sends_forms_is_sent_for_with_forms(slug: str) -> None:
    assert known(slug).request().header("content-type") == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("slug", sorted(UNSIGNABLE))
def test_who_cannot_be_signed_for_says_so(slug: str) -> None:
    with pytest.raises(Unsignable, match="root is pinned"):
        check_signable(load_catalogue()[slug], {})


def test_paypal_can_be_signed_for_only_where_its_webhook_is_an_option() -> None:
    """Where its id is the source's secret, the key can only be PayPal's."""
    paypal = load_catalogue()["paypal"]
    with pytest.raises(Unsignable, match=r"fetched from api\.paypal\.com .* and nowhere else"):
        check_signable(paypal, {})
    check_signable(paypal, {"webhook_id": "1"})


def test_what_signs_with_a_pair_is_told_from_what_may_have_a_secret() -> None:
    catalogue = load_catalogue()
    assert signs_with_pair(catalogue["telnyx"])
    assert signs_with_pair(catalogue["plaid"])
    assert not signs_with_pair(catalogue["fusionauth"])
    assert not signs_with_pair(catalogue["stripe"])


def test_a_type_of_ones_own_stands_where_the_entry_reads_it() -> None:
    request = known("github").signed(known("github").composed(event_type="issues.opened"))
    assert request.header("X-GitHub-Event") == "issues"
    assert b'"action":"opened"' in request.body
    with pytest.raises(ValueError, match=r"'push' is not .* form, as 'example\.created' is"):
        known("plaid").composed(event_type="push")


def test_signing_leaves_the_draft_as_it_was() -> None:
    entry = known("adyen")
    composed = entry.composed()
    before = composed.draft.request()
    assert entry.signed(composed) == entry.signed(composed)
    assert composed.draft.request() == before
    assert isinstance(before, Request)
