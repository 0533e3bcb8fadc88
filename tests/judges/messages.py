"""The requests that are put before the SDKs: each provider's, from the senders of the unit tests.

``MESSAGES[provider](secret number, message number, edit of the signature)``.
"""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from tests.unit.verify.builders.judging import NOW, Sent
from tests.unit.verify.builders.test_senders import SENDERS as BUILT
from tests.unit.verify.entries.digests import FACTS, Edit, Fact
from tests.unit.verify.key_pair_senders import KEY_PAIR_SENDERS
from tests.unit.verify.token_senders import TOKEN_SENDERS
from tests.unit.verify.token_senders import URL as TOKEN_URL

Message = Callable[[int, int, Edit], Sent]
MS = NOW * 1_000


def _by_fact(fact: Fact) -> Message:
    return lambda secret, number, edit: fact.send(fact.secret(secret), number, edit)


def _by_builder(slug: str) -> Message:
    secrets = {1: "s3cret-of-the-source", 2: "another-secret-of-another"}
    if slug == "contentful":  # whose SDK takes secrets of 64 characters
        secrets = {number: str(number) * 64 for number in secrets}
    return lambda secret, number, edit: BUILT[slug](secrets[secret], number, edit)


def _shopify() -> Message:
    """With all headers that Shopify sends: its SDK looks for them first."""
    ends = {"Topic": "orders/create", "Shop-Domain": "a.myshopify.com", "Webhook-Id": "w-1"}
    named = {f"X-Shopify-{end}": value for end, value in ends.items()}
    named["X-Shopify-API-Version"] = "2025-07"

    def message(secret: int, number: int, edit: Edit) -> Sent:
        sent = _by_fact(FACTS["shopify"])(secret, number, edit)
        return sent.but(headers={**sent.headers, **named})

    return message


def _edited(headers: Mapping[str, str], name: str, edit: Edit, prefix: str = "") -> dict[str, str]:
    """The headers with their signature changed, or without it."""
    changed = edit(headers[name].removeprefix(prefix))
    kept = {key: value for key, value in headers.items() if key != name}
    return kept if changed is None else {**kept, name: prefix + changed}


def _by_key_pair(slug: str, other: Any, public: Callable[[Any], str]) -> Message:
    sender = KEY_PAIR_SENDERS[slug]

    def message(secret: int, number: int, edit: Edit) -> Sent:
        key = sender.key if secret == 1 else other
        made = sender.send(key, b'{"id":"evt_%d"}' % number, MS)
        headers = _edited(made.headers, sender.signature, edit)
        return Sent(slug, made.body, headers, public(key))

    return message


def _by_token(slug: str, name: str, prefix: str = "") -> Message:
    sender = TOKEN_SENDERS[slug]
    secrets = {1: bytes(sender.key), 2: b"b" + bytes(sender.key)[1:]}

    def message(secret: int, number: int, edit: Edit) -> Sent:
        made = sender.send(b'{"id":"evt_%d"}' % number, MS, key=secrets[secret])
        headers = _edited(made.headers, name, edit, prefix)
        text = secrets[secret].decode()
        return Sent(slug, made.body, headers, text, TOKEN_URL, options=sender.options)

    return message


def _truelayer() -> Message:
    """A detached token whose head has its members in TrueLayer's order: the SDK writes it anew."""
    keys = {1: ec.generate_private_key(ec.SECP521R1()), 2: ec.generate_private_key(ec.SECP521R1())}
    stamp = {"X-Tl-Webhook-Timestamp": "2025-10-09T08:53:20Z"}
    head = {"alg": "ES512", "kid": "k", "tl_version": "2", "tl_headers": "X-Tl-Webhook-Timestamp"}
    first = base64url_encode(json.dumps(head, separators=(",", ":")).encode())

    def message(secret: int, number: int, edit: Edit) -> Sent:
        body = f'{{"id":"evt_{number}"}}'
        lines = "".join(f"{name}: {value}\n" for name, value in stamp.items())
        content = first + b"." + base64url_encode(f"POST /in/source\n{lines}{body}".encode())
        made = jwt.get_algorithm_by_name("ES512").sign(content, keys[secret])
        token = f"{first.decode()}..{base64url_encode(made).decode()}"
        headers = _edited({**stamp, "Tl-Signature": token}, "Tl-Signature", edit)
        return Sent("truelayer", body.encode(), headers, _pem(keys[secret]), TOKEN_URL)

    return message


def _raw(key: Any) -> bytes:
    raw: bytes = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return raw


def _pem(key: Any) -> str:
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made.decode()


def _spki(key: Any) -> str:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(key.public_key().public_bytes(*form)).decode()


_EDWARDS = Ed25519PrivateKey.generate()
MESSAGES: Mapping[str, Message] = {
    **{slug: _by_builder(slug) for slug in BUILT},
    **{slug: _by_fact(fact) for slug, fact in FACTS.items()},
    "atlassian_connect": _by_token("jira_connect", "Authorization", "JWT "),
    "discord": _by_key_pair("discord", _EDWARDS, lambda key: _raw(key).hex()),
    "livekit": _by_token("livekit", "Authorization"),
    "messagebird": _by_token("messagebird", "MessageBird-Signature-JWT"),
    "qstash": _by_token("qstash", "Upstash-Signature"),
    "sendgrid": _by_key_pair("sendgrid", ec.generate_private_key(ec.SECP256R1()), _spki),
    "shopify": _shopify(),
    "telnyx": _by_key_pair("telnyx", _EDWARDS, lambda key: base64.b64encode(_raw(key)).decode()),
    "truelayer": _truelayer(),
    "vonage": _by_token("vonage", "Authorization", "Bearer "),
}
