"""What verification reads and what it says: a request and secrets in, a verdict out.

Everything here is immutable and knows no framework; a receiver, a test or a command line
builds a ``Request`` and hands it to ``ingest.verify.verify``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came in.

    ``url`` is the full URL or only ``path?query``, as received. ``headers`` keep their order and
    repetitions; values are latin-1 decoded, as ASGI gives them. ``body`` is every byte of it.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: Headers by their names in small letters, filled in when one is asked for.
    _by_name: dict[str, list[str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def header(self, name: str) -> str | None:
        """Return the first value of a header, whatever its case, or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Every value of a header, in the order in which they came."""
        found = self._by_name
        if not found:
            for given, value in self.headers:
                found.setdefault(given.lower(), []).append(value)
        return found.get(name.lower(), [])

    @property
    def query(self) -> str:
        """What stands between the first ``?`` and the fragment, not decoded; "" if nothing."""
        return self.url.partition("#")[0].partition("?")[2]


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a source. Its value never shows in a repr, a log or a message.

    ``name`` says where it comes from (``env:GITHUB_SECRET``). ``value`` is the text as the
    provider shows it, in bytes; the scheme decodes it. ``expires_at`` is ms, None for never.
    """

    name: str
    value: bytes = field(repr=False)
    expires_at: int | None = None

    def expired(self, now: int | None) -> bool:
        """Whether it is past its end. Without a clock a secret that ends counts as ended."""
        return self.expires_at is not None and (now is None or now >= self.expires_at)


class Reason(enum.StrEnum):
    """Why a request was turned away. Stable words: metrics, logs, rows and answers use them."""

    MISSING_SIGNATURE = "missing_signature"
    MALFORMED_SIGNATURE = "malformed_signature"
    MISSING_SIGNED_HEADER = "missing_signed_header"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED_SECRET = "expired_secret"  # noqa: S105 -- a reason, not a secret
    MALFORMED_TIMESTAMP = "malformed_timestamp"
    STALE_TIMESTAMP = "stale_timestamp"
    NO_SECRET = "no_secret"  # noqa: S105 -- a reason, not a secret
    KEY_UNAVAILABLE = "key_unavailable"  # the provider publishes it, and it could not be fetched
    LEARNING_CLOSED = "learning_closed"  # a handshake says a secret that nobody asked for
    UNKNOWN_PROVIDER = "unknown_provider"
    MALFORMED_LINE = "malformed_line"


class Verified(NamedTuple):
    """The request is what a holder of the secret sent.

    ``event_type`` is "" and ``event_id`` None where the provider gives none. ``id_signed`` and
    ``type_signed``: the signature covers all that the text was taken from, so nobody but the
    sender can have changed it. ``secret_name`` is None for a source without any.
    """

    event_type: str
    event_id: str | None
    id_signed: bool
    type_signed: bool
    secret_name: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request proves nothing. ``detail`` is for people and holds no secret or digest."""

    reason: Reason
    detail: str
