"""Acknowledgements that have to be signed: with the secret, or with a private key of one's own."""

import base64
import hashlib
import json
from urllib.parse import unquote

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ingest.verify import Request, Secret, load_catalogue
from ingest.verify.handshakes.acknowledging import acknowledgement
from ingest.verify.handshakes.response import Response
from ingest.verify.handshakes.signed_success import private_key

CATALOGUE = load_catalogue()
NOW = 1_700_000_000
KEY = generate_private_key(65537, 2048)
PKCS8 = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def praxis(proving: str | None) -> Response:
    request = Request("POST", "/in/praxis", (), b'{"version":"1.3"}')
    held = (Secret("env:OLD", b"old"), Secret("env:NEW", b"new"))
    response = acknowledgement(
        CATALOGUE["praxis"], request, secrets=held, proving=proving, now=NOW * 1_000 + 999
    )
    assert response is not None
    return response


@pytest.mark.parametrize(
    ("proving", "secret"), [("env:OLD", "old"), ("env:NEW", "new"), (None, "old")]
)
def test_praxis_is_answered_with_the_secret_that_it_used(proving: str | None, secret: str) -> None:
    response = praxis(proving)
    assert json.loads(response.body) == {
        "status": 0,
        "description": "Ok",
        "version": "1.3",
        "timestamp": NOW,
    }
    signature = hashlib.sha384(f"0{NOW}{secret}".encode()).hexdigest()
    told = dict(response.headers)
    assert told["external-request-signature"] == told["GT-Authentication"] == signature
    assert response.status == 200


def alipay(reply_key: str, *headers: tuple[str, str]) -> Response:
    request = Request("POST", "https://shop.example.com/in/alipay?a=1", headers, b"{}")
    options = {"reply_key": reply_key} if reply_key else {}
    response = acknowledgement(CATALOGUE["alipay"], request, options=options, now=NOW * 1_000)
    assert response is not None
    return response


def believed(key: RSAPrivateKey, response: Response, body: bytes) -> bool:
    """Whether Alipay+, which holds the public half, takes the answer."""
    told = dict(response.headers)
    pairs = dict(pair.split("=", 1) for pair in told["Signature"].split(","))
    signed = f"POST /in/alipay\n{told['Client-Id']}.{told['Response-Time']}.".encode() + body
    signature = base64.b64decode(unquote(pairs["signature"]))
    try:
        key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return (pairs["algorithm"], pairs["keyVersion"]) == ("RSA256", "1")


@pytest.mark.parametrize("text", [PEM, base64.b64encode(PKCS8).decode()], ids=["pem", "base64"])
def test_alipay_plus_is_answered_with_a_signature_of_ones_own(text: str) -> None:
    response = alipay(text, ("client-id", "SANDBOX_5Y"))
    assert believed(KEY, response, response.body)
    assert not believed(KEY, response, response.body + b" ")
    assert dict(response.headers)["Response-Time"] == "2023-11-14T22:13:20+00:00"
    assert json.loads(response.body)["result"]["resultCode"] == "SUCCESS"


def test_antom_asks_for_no_signature_and_gets_none_without_a_key() -> None:
    response = alipay("", ("client-id", "SANDBOX_5Y"))
    assert {name for name, _ in response.headers} == {"content-type"}
    assert alipay(PEM).headers == response.headers, "nobody said who is answered"


def test_what_is_no_private_rsa_key_is_none() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    other = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text in ("", "...", other, PEM.replace("MII", "MIJ"), base64.b64encode(b"x").decode()):
        assert private_key(text) is None, text
    assert isinstance(private_key(PEM), RSAPrivateKey)
