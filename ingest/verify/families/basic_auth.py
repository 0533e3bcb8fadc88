"""HTTP Basic authentication; the secret is ``user:password``. It does not cover the body."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ingest.verify.content import wire
from ingest.verify.families import Outcome
from ingest.verify.families.static_token import same, sent_header
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Secret
from ingest.verify.usable import usable


def match(provider: Provider, reading: Reading, secrets: Sequence[Secret]) -> Outcome:
    """Compare the credentials as encoded, whole: a password may hold colons."""
    value = sent_header(provider, reading)
    if isinstance(value, Rejected):
        return value
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() != "basic":
        return Rejected(Reason.MALFORMED_SIGNATURE, "Authorization is not HTTP Basic")
    sent = wire(credentials)
    return [
        same(base64.b64encode(secret.value), sent) if usable(provider, secret.value) else None
        for secret in secrets
    ]
