"""What is to be sent back for a handshake."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.verify.request import Rejected


@dataclass(frozen=True, slots=True)
class Response:
    """What to send back, as it is; and what has to be done before that is said.

    ``learned``: a secret to store. ``confirm``: a URL, of a host that the entry pins, to GET.
    ``refusal``: why this is a no; such a request counts as a rejected one.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    learned: bytes | None = field(default=None, repr=False)
    confirm: str | None = None
    refusal: Rejected | None = None
