"""The closed words of an entry: what may stand behind ``family``, ``carrier``, ``encoding``, ..."""

from typing import Literal

Family = Literal[
    "hmac",
    "hash",
    "standard_webhooks",
    "ed25519",
    "ecdsa",
    "rsa",
    "jwt",
    "token",
    "basic",
    "none",
]
Carrier = Literal["plain", "list", "pairs", "positional"]
Encoding = Literal["hex", "HEX", "hex_any", "base64", "base64url", "base64url_nopad", "base64_hex"]
SecretFormat = Literal["utf8", "nfkd", "base64", "base64url", "hex", "whsec", "whsec_utf8", "sha1"]
TimestampFormat = Literal["s", "ms", "iso8601", "rfc2822", "auto"]
Algorithm = Literal["md5", "sha1", "sha256", "sha384", "sha512", "keccak256"]
#: Makers of claims for what no template expresses: the functions of ``builders/``.
Builder = Literal[
    "adyen",
    "antom",
    "aws_sns",
    "box",
    "braintree",
    "bridge_xyz",
    "contentful",
    "ebay",
    "exact_online",
    "gitea",
    "hook0",
    "hubspot_v3",
    "hygraph",
    "inngest",
    "keygen",
    "mailgun",
    "mandrill",
    "mercadopago",
    "nowpayments",
    "paddle_classic",
    "paymob",
    "paypal",
    "payu",
    "plivo_v2",
    "plivo_v3",
    "praxis",
    "segment",
    "treezor",
    "truelayer",
    "twilio",
    "unisender_go",
    "wecom",
]
#: Makers of a signed acknowledgement: the functions of ``handshakes/signed_success.py``.
SuccessSigner = Literal["alipay", "praxis"]
