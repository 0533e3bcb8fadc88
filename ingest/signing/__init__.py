"""Signs as providers do: for ``hookkeeper send`` and ``simulate``, and for users' own tests.

``compose`` makes an event where the entry of the catalogue reads it, ``sign`` proves it. Neither
reads a clock, a file or the network. The counterpart of ``ingest/verify``, whose words, and whose
reading of what is signed, it shares: so it is no judge of it (tests/unit/verify are).
"""

from ingest.signing.composing import Composed, compose
from ingest.signing.credential import Credential, Unsignable
from ingest.signing.draft import Draft
from ingest.signing.example_credentials import example_credential
from ingest.signing.private_keys import (
    PrivateKey,
    new_private_key,
    private_text,
    public_text,
    read_private_key,
)
from ingest.signing.sealing import sign
from ingest.signing.signable import check_signable, fetched_from, signs_with_pair

__all__ = [
    "Composed",
    "Credential",
    "Draft",
    "PrivateKey",
    "Unsignable",
    "check_signable",
    "compose",
    "example_credential",
    "fetched_from",
    "new_private_key",
    "private_text",
    "public_text",
    "read_private_key",
    "sign",
    "signs_with_pair",
]
