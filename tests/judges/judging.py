"""Puts one provider's requests before an SDK and before us, and compares the verdicts."""

import gzip
from collections.abc import Callable, Mapping

from tests.judges.messages import MESSAGES, Message
from tests.judges.panel import Panel
from tests.unit.verify.builders.judging import NOW, Sent

MONTH = 30 * 86_400


def as_made(signature: str) -> str:
    return signature


def _stolen(message: Message) -> Sent:
    made: list[str] = []
    message(1, 2, made.append)
    return message(1, 1, lambda _: made[0])


def _held_against_another(message: Message) -> Sent:
    return message(1, 1, as_made).but(secret=message(2, 1, as_made).secret)


def _signed_by_another(message: Message) -> Sent:
    return message(2, 1, as_made).but(secret=message(1, 1, as_made).secret)


def changed(message: Message) -> Sent:
    sent = message(1, 1, as_made)
    if sent.headers.get("Content-Encoding") == "gzip":
        return sent.but(body=gzip.compress(gzip.decompress(sent.body).replace(b"1", b"7")))
    return sent.but(body=sent.body.replace(b"1", b"7"))


GENUINE: Mapping[str, Callable[[Message], Sent]] = {
    "genuine": lambda message: message(1, 1, as_made),
    "another genuine one": lambda message: message(1, 2, as_made),
}
FORGED: Mapping[str, Callable[[Message], Sent]] = {
    "a changed body": changed,
    "another secret": _held_against_another,
    "signed by another": _signed_by_another,
    "a cut signature": lambda message: message(1, 1, lambda made: made[:-2]),
    "half a signature": lambda message: message(1, 1, lambda made: made[: len(made) // 2]),
    "no signature": lambda message: message(1, 1, lambda _: None),
    "an empty signature": lambda message: message(1, 1, lambda _: ""),
    "another message's signature": _stolen,
}
#: Where the provider signs no body: Hookkeeper and the SDK both take another one.
BODY_UNSIGNED: Mapping[str, frozenset[str]] = {
    # It signs the URL: two messages to the same one have the same signature.
    "atlassian_connect": frozenset({"a changed body", "another message's signature"}),
    "mercadopago": frozenset({"a changed body"}),
    "plivo_v2": frozenset({"a changed body"}),
}
#: What an SDK leaves to its caller, and we do ourselves: Vonage's checks the token alone.
LEFT_TO_US: Mapping[str, frozenset[str]] = {
    "vonage": frozenset({"a changed body", "another message's signature"})
}
#: SDKs that do not look at the time that is signed.
TIMELESS = frozenset({"replicate", "sinch", "webflow"})


def expected(sdk: str, case: str) -> tuple[bool, bool]:
    """Whether the SDK takes it, and whether we do."""
    both = case in GENUINE or case in BODY_UNSIGNED.get(sdk, ())
    return (both or case in LEFT_TO_US.get(sdk, ()), both)


def disagreements(panel: Panel, sdk: str) -> list[str]:
    """Every case in which the SDK, or we, say something else than is expected."""
    found = []
    for case, make in {**GENUINE, **FORGED}.items():
        sent = make(MESSAGES[sdk])
        theirs, why = panel.holds(sdk, sent)
        ours = sent.verdict()
        if (theirs, ours["valid"]) != expected(sdk, case):
            found.append(f"{case}: the SDK says {theirs} ({why}), we {ours['reason'] or True}")
    return found


def last_month(sdk: str) -> Sent:
    """A genuine request that is read a month after it was sent."""
    return MESSAGES[sdk](1, 1, as_made).but(now=NOW + MONTH)
