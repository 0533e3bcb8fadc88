"""Sources whose senders publish their keys: the first event waits for the key, and only that one.

The provider is a real server that speaks TLS on loopback, which the receiver may reach here alone.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.services.mail import make_certificate
from tests.services.sink import Answer, Sink
from tests.web.rig import count_events, serving
from tests.web.test_taken import by_asgi, request

PATH = "/.well-known/jwks.json"
WAY = "/in/keyed"
BODY = b'{"type":"payment.settled"}'
REACHING_LOOPBACK = """
from functools import partial
from ipaddress import ip_network
from ingest import reception
reception.KeyFetcher = partial(reception.KeyFetcher, allow=[ip_network("127.0.0.0/8")])
"""


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Ed25519PrivateKey
) -> Iterator[Sink]:
    """Publishes its key set, and is all that the source trusts."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    sink = Sink(tls=certificate.context())
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    public = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    keys = {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": public}]}
    sink.script(PATH, Answer(body=json.dumps(keys).encode()))
    (tmp_path / "hookkeeper.toml").write_text(
        f"""
        [sources.keyed.scheme]
        family = "ed25519"
        header = "X-Signature"
        encoding = "base64"
        key_source = {{ kind = "jwks", url = "{sink.url(PATH)}" }}
        """
    )
    yield sink
    sink.close()


def signed(key: Ed25519PrivateKey, body: bytes = BODY) -> dict[str, str]:
    return {"X-Signature": base64.b64encode(key.sign(body)).decode()}


@pytest.mark.parametrize("way", [WAY, by_asgi(WAY)])
def test_the_first_event_waits_for_the_key_and_later_ones_do_not(
    tmp_path: Path, sqlite_url: str, provider: Sink, key: Ed25519PrivateKey, way: str
) -> None:
    with serving(tmp_path, sqlite_url, first=REACHING_LOOPBACK) as server:
        for _ in range(3):
            answer = server.exchange(request(way, BODY, signed(key)))
            assert answer.startswith(b"HTTP/1.1 202"), answer
        stranger = signed(Ed25519PrivateKey.generate())
        assert server.exchange(request(way, BODY, stranger)).startswith(b"HTTP/1.1 401")
        assert len(provider.requests(PATH)) == 1
    assert count_events(sqlite_url) == 3


@pytest.mark.parametrize("way", [WAY, by_asgi(WAY)])
def test_while_no_key_can_be_had_the_sender_is_told_to_come_again(
    tmp_path: Path, sqlite_url: str, provider: Sink, key: Ed25519PrivateKey, way: str
) -> None:
    """Nothing is known of the event, so it is neither accepted nor called a forgery."""
    provider.script(PATH, Answer(status=500))
    with serving(tmp_path, sqlite_url, first=REACHING_LOOPBACK) as server:
        answer = server.exchange(request(way, BODY, signed(key)))
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after" in answer
        assert b"no_key" in answer
    assert count_events(sqlite_url) == 0
