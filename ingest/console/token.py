"""The one bearer token of the console, and whether a request carries it."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

from ingest.config.references import References
from ingest.errors import ConfigError
from ingest.private_file import make_private_file

#: So that a scanner which finds one in a repository knows what it found.
_PREFIX = "hookkeeper_"
_BYTES = 32
#: Of a token that somebody chose: shorter ones can be guessed.
SHORTEST = 20


class Token:
    """A token that can be replaced while it is in use; the repr does not show it.

    Raises ConfigError where it cannot be read or made.
    """

    def __init__(self, reference: str, environ: Mapping[str, str]) -> None:
        self._reference = reference
        self._references = References(environ, Path())
        self._make()
        self._digest = self._read()

    def __repr__(self) -> str:
        return "Token(...)"

    def refresh(self) -> None:
        """Read it again. Raises ConfigError, and what was read before stays good."""
        self._digest = self._read()

    def is_shown_by(self, authorization: bytes) -> bool:
        """Whether an Authorization header carries it; takes as long for any wrong one.

        Digests are compared, so that not even the length of the token shows.
        """
        scheme, _, shown = authorization.partition(b" ")
        matches = hmac.compare_digest(_digest(shown.strip()), self._digest)
        return matches and scheme.lower() == b"bearer"

    def _make(self) -> None:
        kind, _, name = self._reference.partition(":")
        path = self._references.path(name)
        if kind != "file" or path.exists():
            return
        made = _PREFIX + secrets.token_urlsafe(_BYTES)
        try:
            make_private_file(path, f"{made}\n".encode())
        except OSError as error:
            raise ConfigError(
                f"The console's token {path} cannot be made: {error}. "
                "Set HOOKKEEPER_CONSOLE_TOKEN to a file in a folder that this user may write."
            ) from error

    def _read(self) -> bytes:
        try:
            token = self._references.read(self._reference).strip()
        except ValueError as error:
            raise ConfigError(f"HOOKKEEPER_CONSOLE_TOKEN: {error}") from None
        if len(token) < SHORTEST:
            raise ConfigError(
                f"HOOKKEEPER_CONSOLE_TOKEN: a token has at least {SHORTEST} characters; "
                "remove the file and start again, and one is made"
            )
        return _digest(token)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
