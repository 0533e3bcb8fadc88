"""Why a request was rejected, for people: what is checked in which order, what failed, what to do.

Pure. The words of reasons are ``verify.Reason``'s; one that is not here has its detail only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ingest.verify import Reason

Result = Literal["passed", "failed", "not reached"]

#: The steps of ``verify`` in their order, and the reasons of those that fail there.
_STEPS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "the signature, and all that it needs, is there",
        frozenset({Reason.MISSING_SIGNATURE, Reason.MISSING_SIGNED_HEADER}),
    ),
    (
        "both are of the form that the source's scheme has",
        frozenset({Reason.MALFORMED_SIGNATURE}),
    ),
    (
        "the source has a secret, or the provider's public key, that is in force",
        frozenset({Reason.NO_SECRET, Reason.KEY_UNAVAILABLE}),
    ),
    ("one of the source's secrets makes it", frozenset({Reason.BAD_SIGNATURE})),
    ("that secret had not ended", frozenset({Reason.EXPIRED_SECRET})),
    (
        "it was made just then",
        frozenset({Reason.MALFORMED_TIMESTAMP, Reason.STALE_TIMESTAMP}),
    ),
)

_MEND = "Then: hookkeeper rejected reverify"
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        Reason.MISSING_SIGNATURE: "Either the sender signs nothing yet (set a secret on its side), "
        "or it is somebody else: a scanner, a browser. Those need nothing.",
        Reason.MISSING_SIGNED_HEADER: "A proxy in front of the receiver may drop headers: let it "
        "pass on all of them.",
        Reason.MALFORMED_SIGNATURE: "The source may be set up as another provider than the one "
        f"that sends: compare provider or [scheme] with the sender's documentation. {_MEND}",
        Reason.BAD_SIGNATURE: "If it should have been let in: the secret in hookkeeper.toml is not "
        "the one that the sender has (a blank or a line too much?), or something between changed "
        "the body, or the provider signs the URL that it posts to and HOOKKEEPER_PUBLIC_URL is not "
        f"how that begins. Add the right secret to secrets, or set the URL. {_MEND}",
        Reason.EXPIRED_SECRET: "The sender still signs with a secret whose `expires` had passed. "
        f"Give it the new one, or move `expires`. {_MEND}",
        Reason.NO_SECRET: f"Give the source a secret, or let it learn one. {_MEND}",
        Reason.KEY_UNAVAILABLE: "The provider's public keys could not be fetched: see the log, and "
        f"whether this machine reaches the address. {_MEND}",
        Reason.LEARNING_CLOSED: "Somebody offered a secret that events would be signed with. If it "
        "was your provider: `hookkeeper secrets learn SOURCE`, and make the webhook there once "
        "more. Else it was an attack, and nothing came of it.",
        Reason.MALFORMED_TIMESTAMP: "The sender's time is of another form than the scheme says: "
        f"compare timestamp and timestamp_format. {_MEND}",
        Reason.STALE_TIMESTAMP: "It was sent again by somebody who recorded it, or one of the two "
        "clocks is wrong: check yours with `timedatectl`. It stays refused: it is judged as of "
        "its receipt.",
    }
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was checked."""

    checked: str
    result: Result


@dataclass(frozen=True, slots=True)
class Explanation:
    """``steps``: empty for a reason that is none of the signature's."""

    steps: tuple[Step, ...]
    advice: str


def explain(reason: str) -> Explanation:
    """Explain one reason."""
    failed = next((place for place, (_, reasons) in enumerate(_STEPS) if reason in reasons), None)
    if failed is None:
        return Explanation((), _ADVICE.get(reason, ""))
    steps = tuple(Step(text, _result(place, failed)) for place, (text, _) in enumerate(_STEPS))
    return Explanation(steps, _ADVICE.get(reason, ""))


def _result(place: int, failed: int) -> Result:
    if place == failed:
        return "failed"
    return "passed" if place < failed else "not reached"
