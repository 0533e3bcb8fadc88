"""Acknowledgements that the provider wants signed by us, too: the functions of ``success_signer``.

Pure: a reading of the request, the body that is about to be said, the secret that proved the
request; headers out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ingest.verify.content import Content
from ingest.verify.places import Atom, Reading
from ingest.verify.words import SuccessSigner

Headers = tuple[tuple[str, str], ...]

#: The option that holds one's own private key, where a shared secret is not enough.
REPLY_KEY: Final = "reply_key"
_CLIENT: Final = Atom.parse("header:Client-Id")
_ALIPAY: Final = Content.parse("{method} {path}\n{header:Client-Id}.{ts}.")


def seconds(reading: Reading) -> int:
    """The time of the answer, in s since the epoch; 0 where there is no clock."""
    return (reading.now or 0) // 1_000


def signed_headers(signer: SuccessSigner, reading: Reading, body: bytes, secret: bytes) -> Headers:
    """Sign the answer ``body``; () where what it takes is not there. Never raises."""
    return _SIGNERS[signer](reading, body, secret)


def _praxis(reading: Reading, _body: bytes, secret: bytes) -> Headers:
    """SHA-384 of status, timestamp and the merchant secret.

    doc.praxiscashier.com ("Notification", response) names GT-Authentication, its integrators
    (hookdeck/webhook-skills) external-request-signature: the same digest stands in both.
    """
    digest = hashlib.sha384(b"0%d%b" % (seconds(reading), secret)).hexdigest()
    return (("GT-Authentication", digest), ("external-request-signature", digest))


def _alipay(reading: Reading, body: bytes, _secret: bytes) -> Headers:
    r"""RSA with SHA-256 of ``POST path\nclient.time.body``, by one's own private key.

    docs.alipayplus.com ("Sign a request and validate the signature", Alipay+ > ACQP). Antom asks
    for none (docs.antom.com/ac/ams/digital_signature), hence unsigned without the key.
    """
    key = private_key(reading.options.get(REPLY_KEY, ""))
    client = reading.read(_CLIENT)
    moment = datetime.fromtimestamp(seconds(reading), UTC).isoformat()
    head = _ALIPAY.render(reading, {"ts": moment})
    if key is None or client is None or isinstance(head, str):
        return ()
    signed = b"".join((*head, body))
    signature = base64.b64encode(key.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode()
    return (
        ("Client-Id", client),
        ("Response-Time", moment),
        ("Signature", f"algorithm=RSA256,keyVersion=1,signature={quote(signature, safe='')}"),
    )


@lru_cache(maxsize=64)
def private_key(text: str) -> rsa.RSAPrivateKey | None:
    """Read a private RSA key, as PEM or as the Base64 of its PKCS #8; None for anything else."""
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_private_key(text.encode(), None)
        else:
            key = serialization.load_der_private_key(base64.b64decode(text, validate=True), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        return None
    return key if isinstance(key, rsa.RSAPrivateKey) else None


_SIGNERS: Final[Mapping[SuccessSigner, Callable[[Reading, bytes, bytes], Headers]]] = (
    MappingProxyType({"praxis": _praxis, "alipay": _alipay})
)
