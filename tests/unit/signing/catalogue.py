"""Every entry of the catalogue, with what it is signed with and what its source is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ingest.signing import Composed, Credential, compose, example_credential, sign
from ingest.verify import Provider, Rejected, Request, Secret, Verified, load_catalogue, verify

NOW = 1_760_000_000_000
EVENT_ID = "0f9e0d3c-6c1f-4f0e-9d6e-2f6a7f1f3b5a"
OTHER_ID = "c0ffee00-6c1f-4f0e-9d6e-2f6a7f1f3b5a"
#: Apple's certificates have a root that is pinned: nobody else can sign.
UNSIGNABLE = {"apple_assn"}
SLUGS = sorted(set(load_catalogue()) - UNSIGNABLE)
SIGNED = [slug for slug in SLUGS if load_catalogue()[slug].family != "none"]


@dataclass(frozen=True)
class Known:
    """An entry, and both sides of its secret."""

    provider: Provider
    credential: Credential
    secrets: list[Secret]
    options: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"https://hooks.example.com/in/{self.provider.slug}"

    def composed(self, event_id: str = EVENT_ID, event_type: str = "") -> Composed:
        return compose(self.provider, self.url, event_id, NOW, event_type=event_type)

    def request(self, event_id: str = EVENT_ID, now: int = NOW) -> Request:
        return self.signed(self.composed(event_id), now)

    def signed(self, composed: Composed, now: int = NOW) -> Request:
        return sign(self.provider, composed.draft, self.credential, now, options=self.options)

    def verdict(self, request: Request, now: int = NOW) -> Verified | Rejected:
        return verify(self.provider, request, self.secrets, now, options=self.options)

    @property
    def covers_body(self) -> bool:
        return self.provider.family not in ("token", "basic", "none") and self.provider.covers_body


@cache
def known(slug: str) -> Known:
    provider = load_catalogue()[slug]
    credential, secret = example_credential(provider)
    secrets = [Secret("env:S", secret)] if secret else []
    # An algorithm is one of two words, and a key to answer with is no part of what is asked.
    told = provider.options.keys() - {"algorithm", "reply_key"}
    options = dict.fromkeys(sorted(told), "example")
    return Known(provider, credential, secrets, options)


def another_credential(entry: Known) -> Credential:
    """Somebody else's, of the same form."""
    return example_credential(entry.provider, b"somebody else's secret, also long")[0]
