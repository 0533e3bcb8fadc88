"""How the providers with JSON Web Tokens make them, from their documentation, by PyJWT.

Nothing of ours signs: this must not agree with a mistake in ``ingest``. Keys are made here.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NOW = 1_760_000_000_000
SECONDS = NOW // 1_000
URL = "https://hooks.example.com/in/source?b=2&a=1"
BODY = b'{"id":"evt_1","type":"thing.made"}'

SECRET = b"a shared secret of sixty-four bytes, which is enough for HS512..."
OTHER_SECRET = b"b" + SECRET[1:]
RSA = rsa.generate_private_key(65_537, 2_048)
OTHER_RSA = rsa.generate_private_key(65_537, 2_048)
P256, P521 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP521R1())
EDWARDS = Ed25519PrivateKey.generate()

Claims = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """A request, but for the URL and the method, which are always the same."""

    headers: dict[str, str]
    body: bytes = BODY


@dataclass(frozen=True)
class TokenSender:
    """One provider: its algorithm and key, the claims it makes of a body, and where they go.

    ``carry`` puts a token (header and claims are made already) into a request. ``window`` is in
    ms: the longest age that is accepted. ``detached`` makes the signed payload of a body.
    """

    algorithm: str
    key: Any
    carry: Callable[[str, bytes], Sent]
    claims: Callable[[bytes, int], Claims] = lambda _, __: {}
    options: Mapping[str, str] = field(default_factory=dict)
    detached: Callable[[bytes], bytes] | None = None
    unencoded: bool = False
    headers: Mapping[str, Any] = field(default_factory=dict)
    binds_body: bool = True

    def send(
        self,
        body: bytes = BODY,
        at: int = NOW,
        *,
        key: Any = None,
        change: Claims | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> Sent:
        """Make the request; ``change`` and ``headers`` replace claims and header members."""
        head = {"kid": "key-1", **self.headers, **(headers or {})}
        if self.detached is not None:
            return self.carry(self._detached(self.detached(body), key or self.key, head), body)
        claims = {**self.claims(body, at // 1_000), **(change or {})}
        left = {name: value for name, value in claims.items() if value is not None}
        return self.carry(jwt.encode(left, key or self.key, self.algorithm, headers=head), body)

    def _detached(self, payload: bytes, key: Any, head: dict[str, Any]) -> str:
        made = jwt.api_jws.encode(
            payload, key, self.algorithm, headers=head, is_payload_detached=self.unencoded
        )
        return ".".join((made.split(".")[0], "", made.rsplit(".", 1)[1]))


def in_header(name: str, prefix: str = "", **more: str) -> Callable[[str, bytes], Sent]:
    def carry(token: str, body: bytes) -> Sent:
        return Sent({name: prefix + token, **more}, body)

    return carry


def as_body(token: str, _: bytes) -> Sent:
    return Sent({"Content-Type": "application/jwt"}, token.encode())


def _hex(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _base64(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _url_base64(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()


def _qsh() -> str:
    return hashlib.sha256(b"POST&/in/source&a=1&b=2").hexdigest()


def _truelayer(body: bytes) -> bytes:
    return b"POST /in/source\nX-Tl-Webhook-Timestamp: 2025-10-09T08:53:20Z\n" + body


def _neon(body: bytes) -> bytes:
    return f"{NOW}.".encode() + base64.urlsafe_b64encode(body).rstrip(b"=")


_BEARER = in_header("Authorization", "Bearer ")
_WIX = '{"eventType":"AppInstalled","instanceId":"i","data":"{\\"id\\":\\"d-1\\"}"}'

TOKEN_SENDERS: Mapping[str, TokenSender] = {
    "constant_contact": TokenSender(
        "RS256",
        RSA,
        in_header("x-ctct-signature"),
        detached=bytes,
        unencoded=True,
        options={"jwks_url": "https://keys.example/jwks"},
    ),
    "dialpad": TokenSender(
        "HS256", SECRET, as_body, lambda _, __: {"state": "hangup", "event_id": "e-1"}
    ),
    "fireblocks_v2": TokenSender(
        "RS512", RSA, in_header("Fireblocks-Webhook-Signature"), detached=bytes
    ),
    "fusionauth": TokenSender(
        "RS256",
        RSA,
        in_header("X-FusionAuth-Signature-JWT"),
        lambda body, _: {"request_body_sha256": _base64(body)},
    ),
    "gong": TokenSender(
        "RS256",
        RSA,
        _BEARER,
        lambda body, at: {"body_sha256": _hex(body), "webhook_url": URL, "exp": at + 60},
    ),
    "google_pubsub": TokenSender(
        "RS256",
        RSA,
        _BEARER,
        lambda _, at: {
            "iss": "https://accounts.google.com",
            "aud": "me",
            "email": "push@example.com",
            "email_verified": True,
            "iat": at,
            "exp": at + 3_600,
        },
        {"audience": "me", "email": "push@example.com"},
        binds_body=False,
    ),
    "greendot": TokenSender(
        "RS256",
        RSA,
        _BEARER,
        lambda _, at: {"scope": "post:webhook", "exp": at + 60},
        {"jwks_url": "https://keys.example/jwks"},
        binds_body=False,
    ),
    "jira_connect": TokenSender(
        "HS256",
        SECRET,
        in_header("Authorization", "JWT "),
        lambda _, at: {"iss": "client-1", "iat": at, "exp": at + 180, "qsh": _qsh()},
        {"client_key": "client-1"},
        binds_body=False,
    ),
    "kinde": TokenSender(
        "RS256",
        RSA,
        as_body,
        lambda _, __: {"type": "user.created", "event_id": "e-1"},
        {"domain": "acme.kinde.com"},
    ),
    "livekit": TokenSender(
        "HS256",
        SECRET,
        in_header("Authorization"),
        lambda body, at: {"iss": "api-key", "sha256": _base64(body), "exp": at + 300},
        {"api_key": "api-key"},
    ),
    "messagebird": TokenSender(
        "HS512",
        SECRET,
        in_header("MessageBird-Signature-JWT"),
        lambda body, at: {
            "iss": "MessageBird",
            "nbf": at,
            "exp": at + 60,
            "jti": "j-1",
            "url_hash": _hex(URL.encode()),
            "payload_hash": _hex(body),
        },
    ),
    "monday": TokenSender(
        "HS256",
        SECRET,
        in_header("Authorization"),
        lambda _, at: {"aud": URL, "exp": at + 300},
        binds_body=False,
    ),
    "neon": TokenSender(
        "EdDSA",
        EDWARDS,
        in_header(
            "X-Neon-Signature", **{"X-Neon-Signature-Kid": "key-1", "X-Neon-Timestamp": str(NOW)}
        ),
        options={"jwks_url": "https://keys.example/jwks"},
        detached=_neon,
    ),
    "netlify": TokenSender(
        "HS256",
        SECRET,
        in_header("X-Webhook-Signature"),
        lambda body, _: {"iss": "netlify", "sha256": _hex(body)},
    ),
    "plaid": TokenSender(
        "ES256",
        P256,
        in_header("Plaid-Verification"),
        lambda body, at: {"iat": at, "request_body_sha256": _hex(body)},
    ),
    "qstash": TokenSender(
        "HS256",
        SECRET,
        in_header("Upstash-Signature"),
        lambda body, at: {
            "iss": "Upstash",
            "sub": URL,
            "body": _url_base64(body),
            "iat": at,
            "nbf": at,
            "exp": at + 300,
        },
    ),
    "saleor": TokenSender(
        "RS256",
        RSA,
        in_header("Saleor-Signature"),
        detached=bytes,
        unencoded=True,
        options={"domain": "store.saleor.cloud"},
    ),
    "truelayer": TokenSender(
        "ES512",
        P521,
        in_header("Tl-Signature", **{"X-Tl-Webhook-Timestamp": "2025-10-09T08:53:20Z"}),
        detached=_truelayer,
        headers={"tl_version": "2", "tl_headers": "X-Tl-Webhook-Timestamp"},
    ),
    "vonage": TokenSender(
        "HS256", SECRET, _BEARER, lambda body, at: {"iat": at, "payload_hash": _hex(body)}
    ),
    "wix": TokenSender(
        "RS256", RSA, as_body, lambda _, at: {"data": _WIX, "iat": at, "exp": at + 60}
    ),
    "zoho": TokenSender(
        "RS256",
        RSA,
        in_header("X-ZDesk-JWT"),
        lambda _, at: {"exp": at + 60},
        {"jwks_url": "https://keys.example/jwks"},
        binds_body=False,
    ),
}
