"""What Hookkeeper itself has to tell, as it is stored: like a webhook that we sent ourselves."""

import hashlib
import os
from typing import Any

import orjson
import uuid_utils

from ingest.event_view import OWN_SOURCE
from ingest.events import Arrival
from ingest.header_pairs import headers_text

_NO_HEADERS = headers_text(())


def own_event(
    type_: str, content: dict[str, Any], now: int, *, once: str | None = None, for_ms: int = 0
) -> Arrival:
    """Make an event of the built-in source; ``now`` in ms.

    ``once``: what it is about; the same is stored only once ``for_ms``.
    """
    body = orjson.dumps(content)
    key = None if once is None else hashlib.sha256(f"{OWN_SOURCE} {once}".encode()).digest()
    return Arrival(
        event_id=str(uuid_utils.uuid7()),
        source=OWN_SOURCE,
        type=type_,
        provider_event_id=None,
        received_at=now,
        headers=_NO_HEADERS,
        query="",
        content_type="application/json",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        trace_id=os.urandom(16).hex(),
        secret_name=None,
        type_signed=None,  # nothing was signed, and nobody else can have said it
        dedupe_key=key,
        dedupe_for_ms=None if key is None else for_ms,
    )
