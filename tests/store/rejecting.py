"""What the stories of rejected requests begin with."""

import hashlib
from typing import Any

from ingest.rejection import RejectedRequest
from tests.store.making import BODY, DAY_MS, new_id, now_ms


def rejected_request(body: bytes = BODY, **changes: Any) -> RejectedRequest:
    """A GitHub push whose signature no secret makes; it was received when its id was made."""
    made = RejectedRequest(
        id=new_id(changes.get("received_at")),
        source="github",
        received_at=now_ms(),
        expires_at=now_ms() + 14 * DAY_MS,
        method="POST",
        url="http://localhost/in/github?a=1",
        headers=(("X-Hub-Signature-256", "sha256=00"), ("X-Twice", "1"), ("x-twice", "2")),
        content_type="application/json",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        reason="bad_signature",
        detail="no secret of this source makes this signature",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        total=100_000_000,
    )
    return made._replace(**changes)
