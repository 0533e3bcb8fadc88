"""Which public keys count for a request: configured, given, printed in the docs, or fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.verify.key_set import is_pinned, needs_key, with_id
from ingest.verify.key_source import KeySource
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.public_keys import PublicKey, read_public_keys
from ingest.verify.request import Reason, Rejected, Secret

Keys = Sequence[PublicKey] | Rejected

#: Stands for the provider's own keys where a source names no secret; proves in their name.
OWN_KEYS: Final = Secret("published key", b"")


def knows_keys(provider: Provider, reading: Reading) -> bool:
    """Whether a source of this provider can do without a secret, for this reading at least."""
    return bool(provider.key_source or provider.published_keys or reading.keys.anywhere is not None)


def keys_of(
    provider: Provider, reading: Reading, secret: Secret, key_id: str | None = None
) -> Keys | None:
    """The keys that ``key_id`` may mean among a secret's; None where the secret holds no key.

    ``OWN_KEYS`` are the provider's own, and so is every secret while keys are given whole, as a
    line of ``verify --jsonl`` does: a key id that these lack is unknown, whatever else there is.
    """
    if not secret.value or reading.keys.anywhere is not None:
        return published_keys(provider, reading, key_id)
    held = read_public_keys(provider.key_format, secret.value)
    return with_id(_valid(held, reading), key_id) if held else None


def published_keys(provider: Provider, reading: Reading, key_id: str | None = None) -> Keys:
    """The provider's own keys that ``key_id`` may mean, valid at the time of the reading.

    Those that the entry prints; else what was fetched from the place that it names. Where that
    was not fetched, or lacks the key, a ``NeedsKey`` says so.
    """
    source = provider.key_source
    if source is None:
        given = reading.keys.anywhere
        return with_id(_valid(_printed(provider) if given is None else given, reading), key_id)
    url = _url(source, reading)
    if isinstance(url, Rejected):
        return url
    named = key_id if source.key_id is None else reading.read(source.key_id)
    fetched = reading.keys.at(url)
    if fetched is None:
        return needs_key(url, named, source.field)
    fitting = with_id(_valid(fetched, reading), named)
    return fitting or needs_key(url, named, source.field, document_known=True)


def _valid(keys: Sequence[PublicKey], reading: Reading) -> Sequence[PublicKey]:
    return [key for key in keys if key.valid_at(reading.now)]


def _printed(provider: Provider) -> list[PublicKey]:
    return [
        key
        for text in provider.published_keys
        for key in read_public_keys(provider.key_format, text.encode())
    ]


def _url(source: KeySource, reading: Reading) -> str | Rejected:
    url = source.locate(reading)
    if url is None:
        detail = "neither the request nor an option of the source says where the key is"
        return Rejected(Reason.MALFORMED_SIGNATURE, detail)
    # A request may choose among the provider's own addresses and no others.
    if not is_pinned(url, source.pins(url), source.path):
        detail = "the key is said to be at an address that is not the provider's"
        return Rejected(Reason.MALFORMED_SIGNATURE, detail)
    return url
