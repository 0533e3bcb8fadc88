"""Every shipped provider, and one that a user describes, against every way to be wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ingest.verify import Reason, Rejected, Request, Secret, Verified, verify
from tests.unit.verify.genuine import (
    BODY,
    NOW,
    OTHER_SECRET,
    SECRET,
    SENDERS,
    Sender,
    secret,
    with_header,
    with_more,
)

Case = tuple[Request, list[Secret]]

sender = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
stamped = pytest.mark.parametrize(
    "sender",
    [sender for sender in SENDERS.values() if sender.stamped],
    ids=[name for name, sender in SENDERS.items() if sender.stamped],
)


def _signature(sender: Sender, request: Request) -> str:
    value = request.header(sender.signature)
    assert value is not None
    return value


def _last_changed(text: str) -> str:
    """Another character where the signature is certain to have one of its own."""
    spot = len(text) - 3
    return text[:spot] + ("A" if text[spot] != "A" else "B") + text[spot + 1 :]


def _alter(change: Callable[[str], str] | None) -> Callable[[Sender], Case]:
    return lambda sender: (with_header(sender.request(), sender.signature, change), [secret()])


#: What is wrong -> the request and the secrets it is held against.
FLAWS: dict[str, tuple[Reason, Callable[[Sender], Case]]] = {
    "no signature": (Reason.MISSING_SIGNATURE, _alter(None)),
    "an empty signature": (Reason.MISSING_SIGNATURE, _alter(lambda _: "")),
    "a wrong signature": (Reason.BAD_SIGNATURE, _alter(_last_changed)),
    "a truncated signature": (Reason.MALFORMED_SIGNATURE, _alter(lambda text: text[:-1])),
    "a signature too long": (Reason.MALFORMED_SIGNATURE, _alter(lambda text: text + "0")),
    "a non-ASCII signature": (Reason.MALFORMED_SIGNATURE, _alter(lambda text: text[:-1] + "é")),
    "a signature beyond latin-1": (
        Reason.MALFORMED_SIGNATURE,
        _alter(lambda text: text[:-1] + "\N{SNOWMAN}"),
    ),
    "no prefix": (Reason.MALFORMED_SIGNATURE, _alter(lambda text: "x" + text)),
    "a tampered body": (
        Reason.BAD_SIGNATURE,
        lambda sender: (replace(sender.request(), body=BODY + b" "), [secret()]),
    ),
    "an empty body": (
        Reason.BAD_SIGNATURE,
        lambda sender: (replace(sender.request(), body=b""), [secret()]),
    ),
    "another secret": (
        Reason.BAD_SIGNATURE,
        lambda sender: (sender.request(OTHER_SECRET), [secret()]),
    ),
    "an empty secret": (
        Reason.NO_SECRET,
        lambda sender: (sender.request(b""), [secret(b"")]),
    ),
    "a blank secret": (Reason.NO_SECRET, lambda sender: (sender.request(), [secret(b" \n")])),
    "no secret at all": (Reason.NO_SECRET, lambda sender: (sender.request(), [])),
    "an expired secret": (
        Reason.EXPIRED_SECRET,
        lambda sender: (sender.request(), [secret(expires_at=NOW)]),
    ),
    "an expired secret beside a live one": (
        Reason.EXPIRED_SECRET,
        lambda sender: (
            sender.request(),
            [secret(OTHER_SECRET), secret(expires_at=NOW - 1, name="env:OLD")],
        ),
    ),
    "only an expired secret, and a wrong signature": (
        Reason.NO_SECRET,
        lambda sender: (sender.request(OTHER_SECRET), [secret(expires_at=NOW)]),
    ),
}


@sender
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_request_with_a_flaw_is_rejected_for_it(sender: Sender, flaw: str) -> None:
    reason, make = FLAWS[flaw]
    request, secrets = make(sender)
    verdict = verify(sender.provider, request, secrets, NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is reason


@sender
def test_a_genuine_request_is_verified_by_the_secret_that_signed_it(sender: Sender) -> None:
    verdict = verify(sender.provider, sender.request(), [secret()], NOW)
    assert isinstance(verdict, Verified)
    assert verdict.secret_name == "env:S"


@sender
@pytest.mark.parametrize("place", [0, 1, 2])
def test_any_of_several_secrets_may_have_signed(sender: Sender, place: int) -> None:
    """One expired, one unusable and one of tomorrow stand beside the one that matches."""
    secrets = [secret(OTHER_SECRET, expires_at=NOW - 1), secret(b"")]
    secrets.insert(place, secret(expires_at=NOW + 1, name="env:NEW"))
    verdict = verify(sender.provider, sender.request(), secrets, NOW)
    assert isinstance(verdict, Verified)
    assert verdict.secret_name == "env:NEW"


@sender
def test_a_signature_header_that_came_twice_alike_is_one(sender: Sender) -> None:
    request = sender.request()
    again = with_more(request, sender.signature, _signature(sender, request))
    assert isinstance(verify(sender.provider, again, [secret()], NOW), Verified)


@pytest.mark.parametrize("name", ["github", "shopify", "slack", "acme"])
def test_where_one_signature_is_sent_two_different_ones_are_refused(name: str) -> None:
    """A proxy or an attacker added one; choosing between them is not ours."""
    sender = SENDERS[name]
    request = sender.request()
    forged = _last_changed(_signature(sender, request))
    verdict = verify(sender.provider, with_more(request, sender.signature, forged), [secret()], NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.MALFORMED_SIGNATURE


@pytest.mark.parametrize("name", ["stripe", "standardwebhooks", "svix"])
def test_where_a_list_is_sent_two_headers_are_one_list(name: str) -> None:
    sender = SENDERS[name]
    request = sender.request()
    other = _last_changed(_signature(sender, request))
    both = with_more(request, sender.signature, other)
    assert isinstance(verify(sender.provider, both, [secret()], NOW), Verified)


def test_two_stripe_headers_with_different_times_contradict_each_other() -> None:
    sender = SENDERS["stripe"]
    later = _signature(sender, sender.request(sent_at=NOW + 1_000))
    request = with_more(sender.request(), sender.signature, later)
    verdict = verify(sender.provider, request, [secret()], NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.MALFORMED_SIGNATURE


@stamped
@pytest.mark.parametrize("shift", [-301_000, 301_000, -86_400_000])
def test_a_timestamp_too_old_or_too_new_is_stale(sender: Sender, shift: int) -> None:
    verdict = verify(sender.provider, sender.request(sent_at=NOW + shift), [secret()], NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.STALE_TIMESTAMP


@stamped
@pytest.mark.parametrize("shift", [-300_000, 300_000])
def test_a_timestamp_at_the_edge_of_the_tolerance_is_fresh(sender: Sender, shift: int) -> None:
    request = sender.request(sent_at=NOW + shift)
    assert isinstance(verify(sender.provider, request, [secret()], NOW), Verified)


@stamped
def test_without_a_clock_only_the_timestamp_goes_unchecked(sender: Sender) -> None:
    old = sender.request(sent_at=NOW - 10**10)
    assert isinstance(verify(sender.provider, old, [secret()], None), Verified)
    forged = replace(old, body=b"{}")
    verdict = verify(sender.provider, forged, [secret()], None)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.BAD_SIGNATURE


@stamped
def test_a_bad_signature_is_told_before_a_stale_timestamp(sender: Sender) -> None:
    """Before the signature holds, the timestamp is anybody's word."""
    request = replace(sender.request(sent_at=NOW - 10**9), body=b"{}")
    verdict = verify(sender.provider, request, [secret()], NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.BAD_SIGNATURE


@sender
def test_a_secret_with_an_end_is_not_trusted_without_a_clock(sender: Sender) -> None:
    verdict = verify(sender.provider, sender.request(), [secret(expires_at=NOW + 1)], None)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.EXPIRED_SECRET


@sender
def test_no_message_shows_a_secret_or_a_signature(sender: Sender) -> None:
    for _, make in FLAWS.values():
        request, secrets = make(sender)
        verdict = verify(sender.provider, request, secrets, NOW)
        told = f"{verdict} {secrets}"
        assert SECRET.decode() not in told
        assert _signature(sender, sender.request()) not in told
