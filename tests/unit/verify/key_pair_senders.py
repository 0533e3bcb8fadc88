"""How the providers with key pairs sign, from their documentation.

Nothing of ours signs: this must not agree with a mistake in ``ingest``. Keys are made here.
"""

import base64
import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

NOW = 1_760_000_000_000
URL = "https://hooks.example.com/in/source"
BODY = b'{"id":"evt_1","type":"thing.made","event":"made","payload":{"n":1}}'

EDWARDS = Ed25519PrivateKey.generate()
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65_537, 2_048)
OTHER: Mapping[str, Any] = {
    "ed25519": Ed25519PrivateKey.generate(),
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65_537, 2_048),
}
Headers = dict[str, str]


@dataclass(frozen=True)
class Sent:
    """A request, but for the URL and the method, which are always the same."""

    headers: Headers
    body: bytes = BODY


@dataclass(frozen=True)
class KeyPairSender:
    """One provider: its signing ``key``, how it sends ``body`` at a time (ms), what it signs.

    ``signature`` is the header that carries the signature, "" where the body does. ``covered``
    are headers that are signed, ``window`` the tolerance in ms, None where none is documented.
    ``secret`` is signed text that is no key.
    """

    send: Callable[[Any, bytes, int], Sent]
    key: Any
    signature: str
    covered: tuple[str, ...] = ()
    window: int | None = None
    secret: bytes | None = None
    body: bytes = BODY
    fields: Mapping[str, str] = field(default_factory=dict)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pem(key: Any) -> bytes:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made


def certificate(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    first, last = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2025, 2027))
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, first, last)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def edwards(key: Ed25519PrivateKey, content: bytes) -> bytes:
    return key.sign(content)


def rsa_sign(
    key: rsa.RSAPrivateKey, content: bytes, digest: hashes.HashAlgorithm | None = None
) -> str:
    return base64_of(key.sign(content, padding.PKCS1v15(), digest or hashes.SHA256()))


def _second(sent_at: int) -> str:
    return str(sent_at // 1_000)


def _discord(key: Any, body: bytes, sent_at: int) -> Sent:
    stamp = _second(sent_at)
    signature = edwards(key, stamp.encode() + body).hex()
    return Sent({"X-Signature-Ed25519": signature, "X-Signature-Timestamp": stamp}, body)


def _telnyx(key: Any, body: bytes, sent_at: int) -> Sent:
    stamp = _second(sent_at)
    signature = base64_of(edwards(key, f"{stamp}|".encode() + body))
    return Sent({"Telnyx-Signature-Ed25519": signature, "Telnyx-Timestamp": stamp}, body)


def _tokenio(key: Any, body: bytes, _: int) -> Sent:
    signature = base64.urlsafe_b64encode(edwards(key, body)).rstrip(b"=").decode()
    return Sent({"token-signature": signature, "token-event": "PAYMENT"}, body)


def _falai(key: Any, body: bytes, sent_at: int) -> Sent:
    stamp = _second(sent_at)
    content = f"request-1\nuser-1\n{stamp}\n{hashlib.sha256(body).hexdigest()}"
    return Sent(
        {
            "X-Fal-Webhook-Request-Id": "request-1",
            "X-Fal-Webhook-User-Id": "user-1",
            "X-Fal-Webhook-Timestamp": stamp,
            "X-Fal-Webhook-Signature": edwards(key, content.encode()).hex(),
        },
        body,
    )


def _keygen(key: Any, body: bytes, sent_at: int) -> Sent:
    digest = "sha-256=" + base64_of(hashlib.sha256(body).digest())
    date = formatdate(sent_at / 1_000, usegmt=True)
    content = (
        "(request-target): post /in/source\nhost: hooks.example.com\n"
        f"date: {date}\ndigest: {digest}"
    )
    signature = base64_of(edwards(key, content.encode()))
    carried = (
        f'keyid="account-1", algorithm="ed25519", signature="{signature}", '
        'headers="(request-target) host date digest"'
    )
    return Sent({"Keygen-Signature": carried, "Date": date, "Digest": digest}, body)


def _highlevel(key: Any, body: bytes, _: int) -> Sent:
    return Sent({"X-GHL-Signature": base64_of(edwards(key, body))}, body)


def _ecdsa(key: ec.EllipticCurvePrivateKey, content: bytes, digest: hashes.HashAlgorithm) -> str:
    return base64_of(key.sign(content, ec.ECDSA(digest)))


def _sendgrid(key: Any, body: bytes, sent_at: int) -> Sent:
    stamp, prefix = _second(sent_at), "X-Twilio-Email-Event-Webhook"
    signature = _ecdsa(key, stamp.encode() + body, hashes.SHA256())
    return Sent({f"{prefix}-Signature": signature, f"{prefix}-Timestamp": stamp}, body)


def _circle(key: Any, body: bytes, _: int) -> Sent:
    signature = _ecdsa(key, body, hashes.SHA256())
    return Sent({"X-Circle-Signature": signature, "X-Circle-Key-Id": "key-1"}, body)


def _ebay(key: Any, body: bytes, _: int) -> Sent:
    signature = _ecdsa(key, body, hashes.SHA1())
    header = {"alg": "ecdsa", "kid": "k", "signature": signature, "digest": "SHA1"}
    return Sent({"X-EBAY-SIGNATURE": base64_of(json.dumps(header).encode())}, body)


def _plain_rsa(header: str, digest: hashes.HashAlgorithm) -> Callable[[Any, bytes, int], Sent]:
    def send(key: Any, body: bytes, _: int) -> Sent:
        return Sent({header: rsa_sign(key, body, digest)}, body)

    return send


def _adobe_io(key: Any, body: bytes, _: int) -> Sent:
    return Sent(
        {
            "X-Adobe-Digital-Signature-1": rsa_sign(key, body),
            "X-Adobe-Public-Key1-Path": "/prod/keys/pub-key-1.pem",
        },
        body,
    )


def _contentstack(key: Any, _: bytes, sent_at: int) -> Sent:
    moment = dt.datetime.fromtimestamp(sent_at / 1_000, dt.UTC).isoformat()
    body = json.dumps({"event": "publish", "triggered_at": moment}).encode()
    return Sent({"X-Contentstack-Request-Signature": "v1=" + rsa_sign(key, body)}, body)


def _bridge_xyz(key: Any, body: bytes, sent_at: int) -> Sent:
    digest = hashlib.sha256(f"{sent_at}.".encode() + body).digest()
    return Sent({"X-Webhook-Signature": f"t={sent_at},v0={rsa_sign(key, digest)}"}, body)


def _utila(key: Any, body: bytes, _: int) -> Sent:
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), padding.PSS.MAX_LENGTH)
    return Sent({"x-utila-signature": base64_of(key.sign(body, pss, hashes.SHA512()))}, body)


def _wechat_pay(key: Any, body: bytes, sent_at: int) -> Sent:
    stamp = _second(sent_at)
    content = f"{stamp}\nnonce-1\n".encode() + body + b"\n"
    return Sent(
        {
            "Wechatpay-Signature": rsa_sign(key, content),
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": "nonce-1",
            "Wechatpay-Serial": "7A5",
        },
        body,
    )


def _alipay(key: Any, body: bytes, _: int) -> Sent:
    time = "2025-10-09T08:53:20Z"
    content = f"POST /in/source\nclient-1.{time}.".encode() + body
    signature = quote(rsa_sign(key, content), safe="")
    return Sent(
        {
            "Signature": f"algorithm=RSA256,keyVersion=1,signature={signature}",
            "Client-Id": "client-1",
            "Request-Time": time,
        },
        body,
    )


def _travis_ci(key: Any, _: bytes, __: int) -> Sent:
    payload = '{"id":1,"state":"passed"}'
    body = urlencode({"payload": payload}).encode()
    return Sent({"Signature": rsa_sign(key, payload.encode(), hashes.SHA1())}, body)


def _shipstation(key: Any, body: bytes, sent_at: int) -> Sent:
    stamp, prefix = _second(sent_at), "X-ShipEngine-RSA-SHA256"
    return Sent(
        {
            f"{prefix}-Signature": rsa_sign(key, f"{stamp}.".encode() + body),
            f"{prefix}-Key-Id": "key-1",
            "X-ShipEngine-Timestamp": stamp,
        },
        body,
    )


def _paddle_classic(key: Any, _: bytes, __: int) -> Sent:
    fields = {"alert_name": "payment_succeeded", "alert_id": "7", "customer": 'Zoë & "co"'}
    serialized = b"a:%d:{" % len(fields)
    for name in sorted(fields):
        for text in (name.encode(), fields[name].encode()):
            serialized += b's:%d:"%s";' % (len(text), text)
    signed = rsa_sign(key, serialized + b"}", hashes.SHA1())
    return Sent({}, urlencode({**fields, "p_signature": signed}).encode())


def _paypal(key: Any, body: bytes, _: int) -> Sent:
    time = "2025-10-09T08:53:20Z"
    content = f"transmission-1|{time}|WH-1|{zlib.crc32(body)}"
    return Sent(
        {
            "PAYPAL-TRANSMISSION-ID": "transmission-1",
            "PAYPAL-TRANSMISSION-TIME": time,
            "PAYPAL-TRANSMISSION-SIG": rsa_sign(key, content.encode()),
            "PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-1",
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        },
        body,
    )


def _aws_sns(key: Any, _: bytes, __: int) -> Sent:
    message = {
        "Message": "Hello ✓",
        "MessageId": "m-1",
        "Subject": "Hi",
        "Timestamp": "2025-10-09T08:53:20.054Z",
        "TopicArn": "arn:aws:sns:us-east-1:1:t",
        "Type": "Notification",
    }
    content = "".join(f"{name}\n{message[name]}\n" for name in sorted(message))
    signed = {
        **message,
        "SignatureVersion": "2",
        "Signature": rsa_sign(key, content.encode()),
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
    }
    return Sent({}, json.dumps(signed).encode())


_EMAIL = "X-Twilio-Email-Event-Webhook"
_SHIP = "X-ShipEngine-RSA-SHA256"
_FAL = "X-Fal-Webhook"
_FIVE_MINUTES = 300_000

KEY_PAIR_SENDERS: Mapping[str, KeyPairSender] = {
    "adobe_io": KeyPairSender(_adobe_io, RSA, "X-Adobe-Digital-Signature-1"),
    "alipay": KeyPairSender(_alipay, RSA, "Signature", ("Client-Id", "Request-Time")),
    "aws_sns": KeyPairSender(_aws_sns, RSA, ""),
    "bridge_xyz": KeyPairSender(_bridge_xyz, RSA, "X-Webhook-Signature", (), 600_000),
    "circle": KeyPairSender(_circle, ELLIPTIC, "X-Circle-Signature"),
    "contentstack": KeyPairSender(
        _contentstack, RSA, "X-Contentstack-Request-Signature", (), _FIVE_MINUTES
    ),
    "discord": KeyPairSender(_discord, EDWARDS, "X-Signature-Ed25519", ("X-Signature-Timestamp",)),
    "ebay": KeyPairSender(_ebay, ELLIPTIC, "X-EBAY-SIGNATURE"),
    "falai": KeyPairSender(
        _falai,
        EDWARDS,
        f"{_FAL}-Signature",
        (f"{_FAL}-Request-Id", f"{_FAL}-User-Id", f"{_FAL}-Timestamp"),
        _FIVE_MINUTES,
    ),
    "fireblocks": KeyPairSender(
        _plain_rsa("Fireblocks-Signature", hashes.SHA512()), RSA, "Fireblocks-Signature"
    ),
    "highlevel": KeyPairSender(
        _plain_rsa("X-WH-Signature", hashes.SHA256()), RSA, "X-WH-Signature"
    ),
    "highlevel_ed25519": KeyPairSender(_highlevel, EDWARDS, "X-GHL-Signature"),
    "keygen": KeyPairSender(
        _keygen, EDWARDS, "Keygen-Signature", ("Date", "Digest"), _FIVE_MINUTES
    ),
    "paddle_classic": KeyPairSender(_paddle_classic, RSA, ""),
    "paypal": KeyPairSender(
        _paypal,
        RSA,
        "PAYPAL-TRANSMISSION-SIG",
        ("PAYPAL-TRANSMISSION-ID", "PAYPAL-TRANSMISSION-TIME"),
        secret=b"WH-1",
    ),
    "postal": KeyPairSender(
        _plain_rsa("X-Postal-Signature", hashes.SHA1()), RSA, "X-Postal-Signature"
    ),
    "sendgrid": KeyPairSender(_sendgrid, ELLIPTIC, f"{_EMAIL}-Signature", (f"{_EMAIL}-Timestamp",)),
    "shipstation_v2": KeyPairSender(
        _shipstation, RSA, f"{_SHIP}-Signature", ("X-ShipEngine-Timestamp",), _FIVE_MINUTES
    ),
    "telnyx": KeyPairSender(
        _telnyx, EDWARDS, "Telnyx-Signature-Ed25519", ("Telnyx-Timestamp",), _FIVE_MINUTES
    ),
    "tokenio": KeyPairSender(_tokenio, EDWARDS, "token-signature"),
    "travis_ci": KeyPairSender(_travis_ci, RSA, "Signature"),
    "utila": KeyPairSender(_utila, RSA, "x-utila-signature"),
    "wechat_pay": KeyPairSender(
        _wechat_pay,
        RSA,
        "Wechatpay-Signature",
        ("Wechatpay-Timestamp", "Wechatpay-Nonce"),
        _FIVE_MINUTES,
    ),
    "wise": KeyPairSender(
        _plain_rsa("X-Signature-SHA256", hashes.SHA256()), RSA, "X-Signature-SHA256"
    ),
}
