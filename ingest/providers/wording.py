"""The closed words of an entry in plain English."""

from collections.abc import Mapping
from typing import Final

from ingest.verify.words import Algorithm, Builder, Encoding, Family

EVIDENCE: Final[Mapping[str, str]] = {
    "proven": "an official SDK or test vector says the same",
    "documented": "from the provider's own documentation; no official vector has judged it",
    "community": "from others than the provider, so the receiver warns of it at its start: "
    "send a test event before you rely on it",
    "custom": "described in hookkeeper.toml",
}
FAMILIES: Final[Mapping[Family, str]] = {
    "hmac": "HMAC with a shared secret",
    "hash": "plain digest with the secret inside",
    "standard_webhooks": "Standard Webhooks",
    "ed25519": "Ed25519 signature",
    "ecdsa": "ECDSA signature",
    "rsa": "RSA signature",
    "jwt": "JSON Web Token",
    "token": "fixed token",
    "basic": "HTTP Basic",
    "none": "no proof",
}

ALGORITHMS: Final[Mapping[Algorithm, str]] = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "keccak256": "Keccak-256",
}
ENCODINGS: Final[Mapping[Encoding, str]] = {
    "hex": "hex",
    "HEX": "hex in capitals",
    "hex_any": "hex",
    "base64": "Base64",
    "base64url": "Base64url",
    "base64url_nopad": "Base64url without padding",
    "base64_hex": "Base64 of hex",
}
SECRETS: Final[Mapping[str, str]] = {
    "utf8": "text, used as it is shown",
    "nfkd": "text, normalised (NFKD)",
    "base64": "Base64, decoded",
    "base64url": "Base64url, decoded",
    "hex": "hex, decoded",
    "whsec": "whsec_ and Base64, decoded; the prefix may be left out",
    "whsec_utf8": "whsec_ and Base64, decoded; text without the prefix is used as it is shown",
    "sha1": "text, whose SHA-1 is the key",
}
#: What is signed, where a builder makes it (``ingest/verify/builders/``).
BUILT: Final[Mapping[Builder, str]] = {
    "adyen": "eight fields of every item of the batch, joined by colons",
    "antom": "method, path, client id, time and raw body",
    "aws_sns": "the fields that the message's type has, by name",
    "box": "the raw body and the delivery's time",
    "braintree": "the form field bt_payload, which is the event",
    "bridge_xyz": "the SHA-256 of time and raw body",
    "contentful": "method, path, the headers that the request lists, and the raw body",
    "ebay": "the raw body",
    "exact_online": "the text of the body's Content",
    "gitea": "the JSON: the raw body, or the field payload of a form",
    "hook0": "the time, the headers that the request lists, and the raw body",
    "hubspot_v3": "method, URL, raw body and time",
    "hygraph": "the body as JSON text, the environment and the time",
    "inngest": "the body in canonical JSON (RFC 8785), and the time",
    "keygen": "method and path, host, date, and the body's digest",
    "mailgun": "the time and a token that serves once; nothing of the event",
    "mandrill": "the webhook's URL and the form's pairs, sorted",
    "mercadopago": "the id in the URL, the request's id and the time",
    "nowpayments": "the body's JSON with sorted names",
    "paddle_classic": "the form's pairs, sorted, in PHP's notation",
    "paymob": "20 fields of a transaction, or 8 of a saved card",
    "paypal": "transmission id, time, webhook id and the body's CRC-32",
    "payu": "the fields of a payment, in PayU's order, and the secret",
    "plivo_v2": "the URL without its query, and a nonce; nothing of the body",
    "plivo_v3": "the URL, its query and the form's pairs, sorted, and a nonce",
    "praxis": "eleven fields of a payment, or eight of a subscription, and the secret",
    "segment": "the raw body; of a batch only its first event",
    "treezor": "the body's object_payload in PHP's JSON",
    "truelayer": "method, path, the headers that the token lists, and the raw body",
    "twilio": "the URL and the form's pairs, sorted; or the URL, which holds a JSON body's SHA-256",
    "unisender_go": "the body with the secret in the place of the signature",
    "wecom": "the secret, the time, a nonce and the encrypted message, sorted",
}
