"""Secrets as providers show them, and the keys they stand for."""

import base64

import pytest

from ingest.verify import custom_provider
from ingest.verify.keys import decode_key
from ingest.verify.usable import usable
from ingest.verify.words import SecretFormat

KEY = bytes(range(24))
BASE64 = base64.b64encode(KEY)
UNPADDED = base64.b64encode(bytes(32)).rstrip(b"=")


@pytest.mark.parametrize(
    ("secret_format", "secret", "key"),
    [
        ("utf8", b"whsec_as it is ", b"whsec_as it is "),
        ("hex", b"00Ff", b"\x00\xff"),
        ("hex", b"0", None),
        ("hex", b"zz", None),
        ("base64", BASE64, KEY),
        ("base64", UNPADDED, bytes(32)),
        ("base64", base64.urlsafe_b64encode(b"\xfb\xff\xfe"), b"\xfb\xff\xfe"),
        ("base64", b"not base64!", None),
        ("whsec", b"whsec_" + BASE64, KEY),
        ("whsec", b"v1,whsec_" + BASE64, KEY),
        ("whsec", b"whsec_" + BASE64 + b"\n", KEY),
        ("whsec", BASE64, KEY),
        ("whsec", b"polar_whs_!", b"polar_whs_!"),
        ("whsec", b"whsec_", None),
        ("whsec_utf8", b"whsec_" + BASE64, KEY),
        ("whsec_utf8", BASE64, BASE64),
        ("whsec_utf8", b"whsec_not base64!", None),
        ("whsec", b"whsec_not base64!", None),
        ("utf8", b"", None),
        ("utf8", b" \t\n", None),
        ("base64", b"====", None),
        ("utf8", "sécret".encode(), "sécret".encode()),
        ("base64", "sécret".encode(), None),
    ],
)
def test_a_secret_is_read_in_its_format_or_not_at_all(
    secret_format: SecretFormat, secret: bytes, key: bytes | None
) -> None:
    assert decode_key(secret_format, secret) == key


@pytest.mark.parametrize("prefix", [b"whpk_", b"whsk_"])
def test_half_of_a_key_pair_is_never_a_shared_key(prefix: bytes) -> None:
    """Whoever reads the public key in a dashboard could sign with it."""
    assert decode_key("whsec", prefix + base64.b64encode(bytes(32))) is None


@pytest.mark.parametrize(
    ("scheme", "secret", "expected"),
    [
        ({"family": "standard_webhooks"}, b"whpk_" + base64.b64encode(bytes(32)), True),
        ({"family": "standard_webhooks"}, b"whpk_" + base64.b64encode(bytes(31)), False),
        ({"family": "standard_webhooks"}, b"whsec_" + BASE64, True),
        ({"family": "basic"}, b"user:pass", True),
        ({"family": "basic"}, b"user:", False),
        ({"family": "basic"}, b"userpass", False),
        ({"family": "token", "header": "X-Token"}, b"secret", True),
        ({"family": "token", "header": "X-Token"}, b" ", False),
        ({"family": "none"}, b"", True),
    ],
)
def test_a_secret_that_a_scheme_cannot_use_is_known_before_any_request(
    scheme: dict[str, str], secret: bytes, *, expected: bool
) -> None:
    assert usable(custom_provider("acme", scheme), secret) is expected
