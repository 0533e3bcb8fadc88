"""The key under which an event counts as seen (design, Dedupe)."""

from __future__ import annotations

import hashlib
from typing import Literal

from ingest.verify.provider import Provider
from ingest.verify.request import Verified

DedupeMode = Literal["provider", "body", "off"]


def dedupe_key(
    source: str,
    provider: Provider,
    verified: Verified,
    body_sha256: bytes,
    mode: DedupeMode,
) -> bytes | None:
    """32 bytes, or None where the event can never be a duplicate.

    ``provider``: the provider's id where it is signed. An id that is not (a header of GitHub or
    Shopify) could be changed by whoever replays the body, so it counts only together with the
    body's digest; so does one that several events share. No id: None. ``body``: the body's digest
    alone. ``off``: None.
    """
    if mode == "off":
        return None
    if mode == "body":
        return _key(b"body", source, b"", body_sha256)
    if verified.event_id is None:
        return None
    event_id = verified.event_id.encode()
    if verified.id_signed and not provider.id_repeats:
        return _key(b"id", source, event_id, b"")
    return _key(b"id+body", source, event_id, body_sha256)


def _key(kind: bytes, source: str, event_id: bytes, digest: bytes) -> bytes:
    # Neither a source's name nor a cleaned id holds NUL, so no two inputs share a spelling.
    return hashlib.sha256(b"\0".join((kind, source.encode(), event_id, digest))).digest()
