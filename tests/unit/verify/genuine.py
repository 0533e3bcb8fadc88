"""Genuine requests of every shipped provider, signed here from the documented formulas.

Nothing of ours signs: this must not agree with a mistake in ``ingest``.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ingest.verify import Provider, Request, Secret, custom_provider, load_catalogue

NOW = 1_760_000_000_000
SECRET = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = b"whsec_eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"
BODY = b'{"id":"evt_1","type":"thing.made","action":"made","event_id":"Ev1"}'

#: A scheme as a user writes it into hookkeeper.toml.
ACME = {
    "family": "hmac",
    "header": "X-Acme-Signature",
    "algorithm": "sha512",
    "encoding": "base64",
    "content": "{method}|{url}|{ts}|{header:X-Acme-Nonce}|{body}",
    "timestamp": "header:X-Acme-Time",
    "timestamp_format": "ms",
    "event_type": "body:type",
    "event_id": "header:X-Acme-Nonce",
}


@dataclass(frozen=True)
class Sender:
    """How one provider signs; ``stamped`` where a time is signed, ``signature`` its header."""

    provider: Provider
    signature: str
    stamped: bool
    headers: Callable[[bytes, bytes, int], Mapping[str, str]]

    def request(self, secret: bytes = SECRET, body: bytes = BODY, sent_at: int = NOW) -> Request:
        headers = {"Content-Type": "application/json", **self.headers(secret, body, sent_at)}
        return Request("POST", "/in/source?a=1", tuple(headers.items()), body)


def _hex(key: bytes, content: bytes) -> str:
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _base64(key: bytes, content: bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac.new(key, content, algorithm).digest()).decode()


def _github(secret: bytes, body: bytes, _: int) -> Mapping[str, str]:
    return {
        "X-GitHub-Event": "thing",
        "X-GitHub-Delivery": "guid-1",
        "X-Hub-Signature-256": f"sha256={_hex(secret, body)}",
    }


def _shopify(secret: bytes, body: bytes, _: int) -> Mapping[str, str]:
    return {
        "X-Shopify-Topic": "things/made",
        "X-Shopify-Webhook-Id": "guid-1",
        "X-Shopify-Hmac-Sha256": _base64(secret, body),
    }


def _slack(secret: bytes, body: bytes, sent_at: int) -> Mapping[str, str]:
    stamp = str(sent_at // 1000)
    return {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={_hex(secret, f'v0:{stamp}:'.encode() + body)}",
    }


def _stripe(secret: bytes, body: bytes, sent_at: int) -> Mapping[str, str]:
    stamp = str(sent_at // 1000)
    return {"Stripe-Signature": f"t={stamp},v1={_hex(secret, stamp.encode() + b'.' + body)}"}


def _standard(prefix: str) -> Callable[[bytes, bytes, int], Mapping[str, str]]:
    def headers(secret: bytes, body: bytes, sent_at: int) -> Mapping[str, str]:
        key = base64.b64decode(secret.removeprefix(b"whsec_")) if secret else b""
        stamp = str(sent_at // 1000)
        signature = _base64(key, f"msg_1.{stamp}.".encode() + body)
        return {
            f"{prefix}-id": "msg_1",
            f"{prefix}-timestamp": stamp,
            f"{prefix}-signature": f"v1,{signature}",
        }

    return headers


def _acme(secret: bytes, body: bytes, sent_at: int) -> Mapping[str, str]:
    content = f"POST|/in/source?a=1|{sent_at}|n-1|".encode() + body
    return {
        "X-Acme-Time": str(sent_at),
        "X-Acme-Nonce": "n-1",
        "X-Acme-Signature": _base64(secret, content, "sha512"),
    }


def _senders() -> Mapping[str, Sender]:
    known = load_catalogue()
    return {
        "github": Sender(known["github"], "X-Hub-Signature-256", False, _github),
        "shopify": Sender(known["shopify"], "X-Shopify-Hmac-Sha256", False, _shopify),
        "slack": Sender(known["slack"], "X-Slack-Signature", True, _slack),
        "stripe": Sender(known["stripe"], "Stripe-Signature", True, _stripe),
        "standardwebhooks": Sender(
            known["standardwebhooks"], "webhook-signature", True, _standard("webhook")
        ),
        "svix": Sender(known["svix"], "svix-signature", True, _standard("svix")),
        "acme": Sender(custom_provider("acme", ACME), "X-Acme-Signature", True, _acme),
    }


SENDERS = _senders()


def secret(value: bytes = SECRET, expires_at: int | None = None, name: str = "env:S") -> Secret:
    return Secret(name, value, expires_at)


def with_header(request: Request, name: str, change: Callable[[str], str] | None) -> Request:
    """The request with one header changed, or taken away where ``change`` is None."""
    headers = tuple(
        (key, change(value) if change and key == name else value)
        for key, value in request.headers
        if change is not None or key != name
    )
    return replace(request, headers=headers)


def with_more(request: Request, name: str, value: str) -> Request:
    """The request with one more header at its end."""
    return replace(request, headers=(*request.headers, (name, value)))
