"""Rejected requests: what one is, and how much of them is kept. Pure.

Anybody may send requests that prove nothing, so what is kept of them has a bound for everything:
the size of one, how many a minute, all of a source, and for how long (research/ops.md §3.5).
"""

import enum
import re
from dataclasses import dataclass
from typing import NamedTuple

#: Besides its texts and its body: a row, its place in three indexes.
_ROW_BYTES = 512
_DETAIL_CHARACTERS = 500
#: Names whose values are likely to open something. A source that is set up wrongly does not name
#: the header that its sender puts a token into, and it is those whose requests are turned away.
_LIKELY_CREDENTIAL = re.compile(r"token|secret|passw|api[-_]?key|credential", re.IGNORECASE)


class RejectedState(enum.StrEnum):
    """``kept -> released``: verified again, and an event since."""

    KEPT = "kept"
    RELEASED = "released"


class Fate(enum.StrEnum):
    """What became of a rejected request: kept, or why not. A label of metrics."""

    KEPT = "kept"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    DISK_LOW = "disk_low"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much is kept of a source's rejected requests.

    ``size``: bytes of one body; ``rate``: requests a minute and receiver; ``total``: bytes of all
    that are kept, of which the oldest make room; ``days``: how long each is kept.
    """

    size: int = 256_000
    rate: int = 600
    total: int = 100_000_000
    days: int = 14


class RejectedRequest(NamedTuple):
    """A request that proved nothing, whole. Values of credentials are keyed digests.

    ``url`` as ``verify`` read it. ``total``: the bound of its source (``Keeping``). A named tuple,
    because it crosses to the writer's process.
    """

    id: str
    source: str
    received_at: int
    expires_at: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes
    body_sha256: bytes
    reason: str
    detail: str
    trace_id: str
    total: int

    @property
    def size(self) -> int:
        """Bytes that keeping it takes, roughly."""
        heads = sum(len(name) + len(value) for name, value in self.headers)
        return _ROW_BYTES + len(self.url) + heads + len(self.detail) + len(self.body)


def likely_credential(name: str) -> bool:
    """Whether the value of a header or parameter of this name should not be kept as it is."""
    return _LIKELY_CREDENTIAL.search(name) is not None


def cut(detail: str) -> str:
    """A detail of a length that can be kept."""
    return detail.replace("\0", "")[:_DETAIL_CHARACTERS]
