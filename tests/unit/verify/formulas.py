"""Requests of some 240 providers, made from ``tests/samples/formulas.toml`` as vectors are.

Imports nothing of ours: neither the formulas nor their makers may agree with a mistake in
``ingest``. A line has the form that ``hookkeeper verify --jsonl`` reads.
"""

import base64
import datetime as dt
import hashlib
import hmac
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

NOW: Final = 1_760_000_000
URL: Final = "https://hooks.example.com/in/acme?a=1"
BODY: Final = '{"id":"evt_1","type":"thing.made","data":{"name":"Zoë ✓","amount":10.50}}'.encode()
KEY: Final = b"an example of a key, 32 bytes .."
OTHER_KEY: Final = b"another example of a key, 32 b..."

#: Standard Webhooks whose secret is shown in another way than ``whsec_`` and base64.
_SHOWN: Final = {
    "brex": "base64",
    "finch": "base64",
    "polar": "utf8",
    "bigcommerce": "utf8",
    "supabase": "v1_whsec",
}


@dataclass(frozen=True)
class Formula:
    """One line of the table. ``stamp`` is the unit of the time, None where none is judged."""

    slug: str
    digest: str
    encoding: str
    key: str
    stamp: str | None
    content: str
    headers: Mapping[str, str]

    @property
    def signature(self) -> str:
        """The header that holds the signature."""
        return next(name for name, value in self.headers.items() if "{sig}" in value)

    def under(self, digest: str) -> "Formula":
        """The same with another digest."""
        return replace(self, digest=digest)

    def secret(self, key: bytes = KEY) -> str:
        """The key as the provider shows it."""
        return _SECRETS[self.key](key)

    def line(self, body: bytes = BODY, key: bytes = KEY, sent_at: int = NOW) -> dict[str, Any]:
        """A genuine request, and the secret to judge it by."""
        spots = {
            b"{body_sha256}": hashlib.sha256(body).hexdigest().encode(),
            b"{url}": URL.encode(),
            b"{t}": _stamp(self.stamp, sent_at).encode(),
            b"{payload}": _payload(body),
            b"{body}": body,  # last: a body may hold braces
        }
        content = self.content.encode()
        for spot, value in spots.items():
            content = content.replace(spot, value)
        made = hmac.new(_KEYS[self.key](self.secret(key)), content, self.digest).digest()
        words = {"{sig}": _ENCODINGS[self.encoding](made), "{t}": _stamp(self.stamp, sent_at)}
        headers = {name: _filled(value, words) for name, value in self.headers.items()}
        return {
            "id": self.slug,
            "provider": self.slug,
            "method": "POST",
            "url": URL,
            "headers": headers,
            "body": base64.b64encode(body).decode(),
            "body_encoding": "base64",
            "secret": self.secret(key),
            "now": NOW,
        }


def _payload(body: bytes) -> bytes:
    """What Gitea signs: the field ``payload`` of a form, or else the body."""
    fields = parse_qs(body.decode("latin-1")) if b"payload=" in body else {}
    return fields.get("payload", [body.decode("latin-1")])[0].encode("latin-1")


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _stamp(unit: str | None, at: int) -> str:
    if unit == "iso":
        return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.123456Z")
    return f"{at}000" if unit == "ms" else str(at)


_ENCODINGS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "HEX": lambda made: made.hex().upper(),
    "base64": lambda made: base64.b64encode(made).decode(),
    "base64url": lambda made: base64.urlsafe_b64encode(made).decode(),
    "base64url_nopad": lambda made: base64.urlsafe_b64encode(made).decode().rstrip("="),
    "base64_hex": lambda made: base64.b64encode(made.hex().encode()).decode(),
}
#: How a key is shown to the customer, and how the customer's text becomes the key again.
_SECRETS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "utf8": lambda key: f"sk_{key.hex()}",
    "nfkd": lambda key: f"sécret_{key.hex()}",
    "ampersand": lambda key: f"sk_{key.hex()}",
    "hex": lambda key: key.hex().upper(),
    "base64": lambda key: base64.b64encode(key).decode(),
    "whsec": lambda key: "whsec_" + base64.b64encode(key).decode(),
    "v1_whsec": lambda key: "v1,whsec_" + base64.b64encode(key).decode(),
}
_KEYS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "utf8": str.encode,
    "nfkd": lambda text: unicodedata.normalize("NFKD", text).encode(),
    "ampersand": lambda text: f"{text}&".encode(),
    "hex": bytes.fromhex,
    "base64": base64.b64decode,
    "whsec": lambda text: base64.b64decode(text.removeprefix("whsec_")),
    "v1_whsec": lambda text: base64.b64decode(text.removeprefix("v1,whsec_")),
}


def _read(slug: str, text: str) -> Formula:
    words, content, *headers = text.split(" | ")
    digest, encoding, key, stamp = words.split(" ")
    named = dict(header.split(": ", 1) for header in headers)
    shown = _SHOWN.get(slug, key)
    return Formula(slug, digest, encoding, shown, None if stamp == "-" else stamp, content, named)


def read_formulas() -> dict[str, Formula]:
    """Read the whole table."""
    path = Path(__file__).parents[2] / "samples" / "formulas.toml"
    return {slug: _read(slug, text) for slug, text in tomllib.loads(path.read_text()).items()}
