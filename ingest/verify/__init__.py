"""Who sent this? Providers as data, schemes as pure functions, a verdict as a value.

``verify(provider, request, secrets, now)`` reads no clock, no file and no network, raises
nothing, and says yes only to a proof. ``catalogue/`` describes the providers in words that
``entry.py`` defines; ``families/`` and ``builders/`` hold what the words mean.
"""

from ingest.verify.catalogue import load_catalogue
from ingest.verify.credentials import credential_headers, credential_query
from ingest.verify.dedupe import DedupeMode, dedupe_key
from ingest.verify.provider import Provider, custom_provider
from ingest.verify.request import Reason, Rejected, Request, Secret, Verified
from ingest.verify.verification import verify

__all__ = [
    "DedupeMode",
    "Provider",
    "Reason",
    "Rejected",
    "Request",
    "Secret",
    "Verified",
    "credential_headers",
    "credential_query",
    "custom_provider",
    "dedupe_key",
    "load_catalogue",
    "verify",
]
