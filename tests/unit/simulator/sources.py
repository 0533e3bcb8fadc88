"""Sources of several kinds, and whoever sends to them."""

from ingest.config.model import DedupeMode, Source
from ingest.signing import example_credential
from ingest.simulator.senders import Sender, sender_of
from ingest.verify import Secret, load_catalogue

NOW = 1_760_000_000_000
URL = "https://hooks.example.com/in/"
EXPIRED = Secret("file:old", b"the old secret", expires_at=NOW - 1)
NEXT = Secret("file:next", b"the next secret")


def source(slug: str, *more: Secret, name: str = "", dedupe: DedupeMode = "provider") -> Source:
    """A source with the example's secret, and others behind it."""
    provider = load_catalogue()[slug]
    secret = Secret("file:secret", example_credential(provider)[1])
    secrets = () if provider.family == "none" else (secret, *more)
    return Source(name=name or slug, provider=provider, secrets=secrets, dedupe=dedupe)


def sender(slug: str, *more: Secret, name: str = "", dedupe: DedupeMode = "provider") -> Sender:
    return sender_of(source(slug, *more, name=name, dedupe=dedupe), URL + (name or slug), NOW)
