"""A source as its sender sees it: where it posts, and what it signs with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ingest.config.model import Source
from ingest.config.sources import learns
from ingest.samples import Sample, sample, samples
from ingest.signing import (
    Composed,
    Credential,
    PrivateKey,
    Unsignable,
    check_signable,
    compose,
    fetched_from,
    public_text,
    sign,
    signs_with_pair,
)
from ingest.verify.keys import PUBLIC_KEY_PREFIX
from ingest.verify.public_keys import PublicKey, read_public_keys
from ingest.verify.request import Request, Secret


@dataclass(frozen=True)
class Sender:
    """Somebody who can send to a source.

    ``url`` is what is signed, where a URL is: scheme, host and port as the receiver takes them.

    ``credentials`` are those of the secrets that are in force, in the source's order; ``ended``
    those of secrets whose end has passed.
    """

    source: Source
    url: str
    credentials: tuple[Credential, ...]
    ended: tuple[Credential, ...] = ()

    @property
    def events(self) -> list[str]:
        """The names of the samples there are; "" stands for an event made from the entry."""
        return samples(self.source.provider.slug) or [""]

    def compose(self, event: str, event_id: str, now: int) -> Composed:
        """Compose a sample by its name, or where the provider has none, an event of that type.

        ``event_id``: a fresh UUID; ``now`` in ms. Raises NotFound, which lists what there is, and
        ValueError for a type that the entry cannot have.
        """
        provider = self.source.provider
        if not samples(provider.slug):
            return compose(provider, self.url, event_id, now, event_type=event)
        found = sample(provider.slug, event)
        return compose(provider, self.url, event_id, now, sample=found)

    def compose_body(self, body: Sample, event_id: str, now: int) -> Composed:
        """Compose an event around a body that is sent as it is."""
        provider = self.source.provider
        return compose(provider, self.url, event_id, now, sample=body, verbatim=True)

    def sign(self, composed: Composed, now: int, credential: Credential | None = None) -> Request:
        """Sign it at ``now`` (ms), by the first credential unless told which. Raises Unsignable."""
        by = credential or self.credentials[0]
        return sign(self.source.provider, composed.draft, by, now, options=self.source.options)


def sender_of(source: Source, url: str, now: int, private_key: PrivateKey | None = None) -> Sender:
    """Return who can send to a source. Raises Unsignable where only the provider can.

    ``private_key``: signs for a provider that uses key pairs, if the source's secrets hold its
    public half.
    """
    provider = source.provider
    check_signable(provider, source.options)
    if provider.family == "none":
        return Sender(source, url, (Credential(),))
    held = [
        (credential, secret)
        for number, secret in enumerate(source.secrets)
        for credential in [_credential(source, secret, number, private_key)]
        if credential is not None
    ]
    live = tuple(credential for credential, secret in held if not secret.expired(now))
    ended = tuple(credential for credential, secret in held if secret.expired(now))
    if not live:
        raise Unsignable(_why(source, ended=bool(ended)))
    return Sender(source, url, live, ended)


def senders_of(
    sources: Mapping[str, Source],
    url: Callable[[str], str],
    now: int,
    private_keys: Mapping[str, PrivateKey],
) -> tuple[list[Sender], dict[str, str]]:
    """Everybody who can send, and for the other sources, by name, why nobody can.

    ``url`` makes a source's address of its name; ``private_keys`` are by provider.
    """
    found: list[Sender] = []
    silent: dict[str, str] = {}
    for name, source in sources.items():
        try:
            key = private_keys.get(source.provider.slug)
            found.append(sender_of(source, url(name), now, key))
        except Unsignable as reason:
            silent[name] = str(reason)
    return found, silent


def _credential(
    source: Source, secret: Secret, number: int, private_key: PrivateKey | None
) -> Credential | None:
    """What signs for one of a source's secrets; None where it is a public key of somebody else."""
    value = secret.value.strip()
    if not _is_public(source, value):
        return Credential(secret.value, number=number)
    if private_key is not None and _is_half_of(source, value, private_key):
        return Credential(private_key=private_key, number=number)
    return None


def _is_public(source: Source, value: bytes) -> bool:
    return (
        signs_with_pair(source.provider)
        or value.startswith(PUBLIC_KEY_PREFIX)
        or (source.provider.family == "jwt" and bool(_public_keys(source, value)))
    )


def _is_half_of(source: Source, value: bytes, private_key: PrivateKey) -> bool:
    if value.startswith(PUBLIC_KEY_PREFIX):
        return value == public_text(source.provider, private_key)
    ours = private_key.public_key()
    return any(key.material == ours for key in _public_keys(source, value))


def _public_keys(source: Source, value: bytes) -> tuple[PublicKey, ...]:
    return read_public_keys(source.provider.key_format, value)


def _why(source: Source, *, ended: bool) -> str:
    name = source.provider.name
    if ended:
        return f"every secret of the source {source.name} has expired"
    if not source.secrets and learns(source.provider):
        return f"{name} says its secret in a handshake, and the source has none of its own"
    fetched = fetched_from(source.provider)
    if fetched and not source.secrets:
        return f"{name} signs with keys that are fetched from {fetched}, so only {name} can sign"
    return f"{name} signs with a key pair, and the private half is only {name}'s"
