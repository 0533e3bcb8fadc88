"""The proof on an outgoing request: Standard Webhooks, version 1, symmetric. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md:
``base64(HMAC-SHA256(secret, "{webhook-id}.{webhook-timestamp}.{body}"))``, prefixed ``v1,``.
"""

import base64
import binascii
import hmac

from ingest.errors import ConfigError

PREFIX = b"whsec_"


def signature_headers(
    webhook_id: str, timestamp: int, body: bytes, secret: bytes | None
) -> dict[str, str]:
    """Return the ``webhook-*`` headers; without a secret there is no signature.

    ``timestamp`` is in seconds. Raises ConfigError for a ``whsec_`` secret that is not base64.
    """
    headers = {"webhook-id": webhook_id, "webhook-timestamp": str(timestamp)}
    if secret is not None:
        signed = b"%b.%d.%b" % (webhook_id.encode(), timestamp, body)
        digest = hmac.digest(_key(secret), signed, "sha256")
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _key(secret: bytes) -> bytes:
    """Decode ``whsec_<base64>``; any other secret is used as it is."""
    secret = secret.strip()
    if not secret.startswith(PREFIX):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ConfigError(
            "The destination's secret starts with whsec_ but is not base64 after it. Copy it again."
        ) from None
