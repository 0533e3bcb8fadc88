"""Judges one request as ``hookkeeper verify --jsonl`` does."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ingest.verify import lines, load_catalogue

NOW = 1_760_000_000


@dataclass(frozen=True)
class Sent:
    """One request that a provider sent, whose signature was made without anything of ours."""

    provider: str
    body: bytes = b""
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    secret: str | Sequence[str] = "s3cret-of-the-source"
    url: str = "https://hooks.example.com/in/acme"
    method: str = "POST"
    options: Mapping[str, Any] = field(default_factory=dict)
    now: int | None = NOW

    def but(self, **changes: Any) -> Self:
        return replace(self, **changes)

    def with_header(self, name: str, value: str | None) -> Self:
        kept = {key: each for key, each in self.headers.items() if key != name}
        return self.but(headers=kept if value is None else {**kept, name: value})

    def verdict(self) -> dict[str, Any]:
        line = {
            "id": "it",
            "provider": self.provider,
            "method": self.method,
            "url": self.url,
            "headers": dict(self.headers),
            "body": base64.b64encode(self.body).decode(),
            "body_encoding": "base64",
            "secrets": [self.secret] if isinstance(self.secret, str) else list(self.secret),
            "options": dict(self.options),
            "now": self.now,
        }
        return lines.verify_line(line, load_catalogue())

    def holds(self) -> bool:
        verdict = self.verdict()
        assert type(verdict["valid"]) is bool
        return bool(verdict["valid"])


def hexed(key: str | bytes, content: str | bytes, algorithm: str = "sha256") -> str:
    return _digest(key, content, algorithm).hex()


def base64ed(key: str | bytes, content: str | bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(_digest(key, content, algorithm)).decode()


def hashed(content: str | bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, _bytes(content)).hexdigest()


def _digest(key: str | bytes, content: str | bytes, algorithm: str) -> bytes:
    return hmac.new(_bytes(key), _bytes(content), algorithm).digest()


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
