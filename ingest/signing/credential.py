"""What one signs with, and why one cannot."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.signing.private_keys import PrivateKey


class Unsignable(ValueError):
    """Nobody but the provider can make this request, or not with what is here; says why."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A shared secret as its provider shows it, or the private half of a key pair.

    ``number``: which of the source's secrets it is, from 0; some senders have a header for each.
    """

    secret: bytes = field(default=b"", repr=False)
    private_key: PrivateKey | None = field(default=None, repr=False)
    number: int = 0
