"""For the tests of those who use Hookkeeper: signed requests and events, without a server.

In a ``conftest.py``: ``pytest_plugins = ["ingest.testing"]``. Then::

    def test_a_push_is_deployed(hookkeeper_webhook):
        deploy(hookkeeper_webhook("github", "push").event)

Nothing of Hookkeeper itself imports this module, or pytest.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import orjson
import pytest
import uuid_utils

from ingest.credentials import CredentialKey
from ingest.events import Event
from ingest.samples import Sample, sample, samples
from ingest.signing import (
    Composed,
    Credential,
    check_signable,
    compose,
    example_credential,
    public_text,
    read_private_key,
    sign,
)
from ingest.verify import (
    Provider,
    Rejected,
    Request,
    Secret,
    Verified,
    credential_headers,
    credential_query,
    custom_provider,
    load_catalogue,
    verify,
)

_KEY: Final = CredentialKey(b"of nobody: tests only, 32 bytes.")
_PEM: Final = b"-----BEGIN "
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
PUBLIC_URL: Final = "https://hooks.example.com"


@dataclass(frozen=True)
class Webhook:
    """A request as its provider sends it, and the event that a handler gets of it.

    ``path`` is the URL's, with its query. ``secret`` is what proves the request: the text for
    ``env:`` or ``file:``, the public half where the provider signs with a key pair; b"" for none.
    """

    method: str
    url: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    event: Event
    secret: bytes = field(repr=False)


class MakeWebhook(Protocol):
    """Makes one webhook; every one is a new event, with an id of its own.

    ``provider`` is a slug of the catalogue, or the name of a source with a ``scheme`` in the words
    of hookkeeper.toml. ``event`` is the name of a sample (``hookkeeper send --list``), or where a
    provider has none, a type; left out, one that fits. ``body`` is sent as it is in place of a
    sample's: bytes, or what becomes JSON. ``secret`` is shared, or a private key in PEM; left out,
    one of the right form. ``source`` is its name in hookkeeper.toml, the provider's unless told.
    ``now``: ms since the epoch at which it is signed. Raises ValueError, with the reason, where
    it cannot be made, and NotFound for an unknown sample, with those there are.
    """

    def __call__(
        self,
        provider: str,
        event: str | None = None,
        *,
        secret: str | bytes | None = None,
        body: Any = None,
        source: str | None = None,
        scheme: Mapping[str, Any] | None = None,
        options: Mapping[str, str] = _NONE,
        public_url: str = PUBLIC_URL,
        now: int | None = None,
    ) -> Webhook:
        """Make a signed webhook."""


@pytest.fixture
def hookkeeper_webhook() -> MakeWebhook:
    """A maker of signed webhooks: ``hookkeeper_webhook("github", "push", secret="...")``."""
    return make_webhook


def make_webhook(
    provider: str,
    event: str | None = None,
    *,
    secret: str | bytes | None = None,
    body: Any = None,
    source: str | None = None,
    scheme: Mapping[str, Any] | None = None,
    options: Mapping[str, str] = _NONE,
    public_url: str = PUBLIC_URL,
    now: int | None = None,
) -> Webhook:
    """As ``MakeWebhook`` says, without pytest's fixture."""
    entry = _entry(provider, scheme)
    name = source or provider
    moment = time.time_ns() // 1_000_000 if now is None else now
    url = f"{public_url}/in/{name}"
    check_signable(entry, options)
    composed = _composed(entry, event, body, url, moment)
    credential, proving = _credential(entry, secret)
    request = sign(entry, composed.draft, credential, moment, options=options)
    secrets = [Secret("test", proving)] if proving else []
    verdict = verify(entry, request, secrets, moment, options=options)
    if isinstance(verdict, Rejected):
        raise ValueError(f"what was made is refused: {verdict.detail}")  # noqa: TRY004 -- no type
    parts = urlsplit(request.url)
    return Webhook(
        method=request.method,
        url=request.url,
        path=f"{parts.path}?{parts.query}" if parts.query else parts.path,
        headers=dict(request.headers),
        body=request.body,
        event=_event(entry, name, request, verdict, moment),
        secret=proving,
    )


def _entry(provider: str, scheme: Mapping[str, Any] | None) -> Provider:
    if scheme is not None:
        return custom_provider(provider, scheme)
    catalogue = load_catalogue()
    if provider not in catalogue:
        raise ValueError(f"there is no provider {provider!r}, and no scheme describes one")
    return catalogue[provider]


def _composed(entry: Provider, event: str | None, body: Any, url: str, now: int) -> Composed:
    fresh, names = str(uuid.uuid4()), samples(entry.slug)
    if body is not None:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        own = Sample(event or "", content, (("Content-Type", "application/json"),))
        return compose(entry, url, fresh, now, sample=own, verbatim=True)
    if not names:
        return compose(entry, url, fresh, now, event_type=event or "")
    chosen = event or ("push" if "push" in names else names[0])
    return compose(entry, url, fresh, now, sample=sample(entry.slug, chosen))


def _credential(entry: Provider, secret: str | bytes | None) -> tuple[Credential, bytes]:
    """What signs, and what proves it."""
    if secret is None:
        return example_credential(entry)
    value = secret.encode() if isinstance(secret, str) else secret
    if value.startswith(_PEM):
        key = read_private_key(value)
        return Credential(private_key=key), public_text(entry, key)
    return Credential(value), value


def _event(entry: Provider, source: str, request: Request, verified: Verified, now: int) -> Event:
    """The event as the receiver keeps it: names in lower case, credentials as digests."""
    headers = tuple((name.lower(), value) for name, value in request.headers)
    return Event(
        id=str(uuid_utils.uuid7()),
        source=source,
        type=verified.event_type,
        provider_event_id=verified.event_id,
        received_at=now,
        headers=_KEY.conceal_headers(headers, credential_headers(entry)),
        query=_KEY.conceal_query(request.query, credential_query(entry)),
        content_type=request.header("content-type") or "",
        body=request.body,
        trace_id=uuid.uuid4().hex,
        type_signed=verified.type_signed,
    )
