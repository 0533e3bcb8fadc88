"""What the load sends: small events of several providers, signed as each provider would. Pure.

The key of an event is in its body and in the provider's own id, so that every log can name it,
whatever id Hookkeeper gave it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.samples import Sample
from ingest.signing import Credential, compose, sign
from ingest.verify.provider import Provider

SECRETS: Mapping[str, str] = {
    "github": "It's a Secret to Everybody",
    "shopify": "hush",
    "standardwebhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "stripe": "whsec_test_secret",
}
SOURCES = tuple(SECRETS)
#: Their signatures cover a timestamp, which a receiver with a wrong clock finds stale.
TIMED = frozenset({"standardwebhooks", "stripe"})


@dataclass(frozen=True, slots=True)
class Letter:
    """One event of one source; ``do`` tells the handler to misbehave."""

    source: str
    key: str
    body: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of the body, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


def write(key: str, source: str, *, do: str = "", size: int = 0) -> Letter:
    """Write the event of a key, ``size`` bytes longer than it has to be."""
    content: dict[str, Any] = {"id": f"evt_{key}", "type": "torture.event", "key": key, "do": do}
    content["padding"] = "x" * size
    return Letter(source, key, json.dumps(content).encode())


def headers(letter: Letter, provider: Provider, now: float, *, genuine: bool) -> dict[str, str]:
    """Sign a letter now (seconds since the epoch), or forge its signature."""
    secret = SECRETS[letter.source] if genuine else SECRETS[letter.source][:-2] + "AA"
    moment = int(now * 1000)
    around = Sample("push", letter.body, (("content-type", "application/json"),))
    made = compose(provider, "", letter.key, moment, sample=around, verbatim=True)
    return dict(sign(provider, made.draft, Credential(secret.encode()), moment).headers)
