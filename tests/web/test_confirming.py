"""Providers that ask for an address of theirs to be fetched before they send (Amazon SNS).

The provider is a real server that speaks TLS on loopback, which the receiver may reach here alone.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.mail import make_certificate
from tests.services.sink import Answer, Sink
from tests.web.rig import SECRET, count_events, serving
from tests.web.test_published_keys import REACHING_LOOPBACK
from tests.web.test_taken import by_asgi, request

PATH = "/?Action=ConfirmSubscription&Token=1"
WAY = "/in/subscribed"
PROVED = {"X-Token": SECRET.decode()}


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """What it asks is signed; its address has to be one of the entry's hosts."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    sink = Sink(tls=certificate.context())
    host = sink.url("/").partition("://")[2].partition("/")[0]
    (tmp_path / "hookkeeper.toml").write_text(
        f"""
        [sources.subscribed]
        secrets = ["env:GITHUB_WEBHOOK_SECRET"]
        [sources.subscribed.scheme]
        family = "token"
        header = "X-Token"
        [[sources.subscribed.scheme.handshakes]]
        when = {{ "body:confirm" = "*" }}
        signed = true
        confirm = "body:confirm"
        hosts = ["{host}"]
        """
    )
    yield sink
    sink.close()


def asked(url: str) -> bytes:
    return json.dumps({"confirm": url}).encode()


@pytest.mark.parametrize("way", [WAY, by_asgi(WAY)])
def test_a_subscription_is_confirmed_by_fetching_what_it_names(
    tmp_path: Path, sqlite_url: str, provider: Sink, way: str
) -> None:
    with serving(tmp_path, sqlite_url, first=REACHING_LOOPBACK) as server:
        answer = server.exchange(request(way, asked(provider.url(PATH)), PROVED))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert [one.method for one in provider.requests(PATH)] == ["GET"]
    assert count_events(sqlite_url) == 0


@pytest.mark.parametrize("way", [WAY, by_asgi(WAY)])
def test_what_is_not_confirmed_is_asked_again_and_not_said_to_be(
    tmp_path: Path, sqlite_url: str, provider: Sink, way: str
) -> None:
    provider.script(PATH, Answer(status=500), Answer(status=200))
    with serving(tmp_path, sqlite_url, first=REACHING_LOOPBACK) as server:
        first, second = (
            server.exchange(request(way, asked(provider.url(PATH)), PROVED)) for _ in range(2)
        )
    assert first.startswith(b"HTTP/1.1 503")
    assert b"not_confirmed" in first
    assert second.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("way", [WAY, by_asgi(WAY)])
def test_nothing_is_fetched_for_a_stranger_or_elsewhere(
    tmp_path: Path, sqlite_url: str, provider: Sink, way: str
) -> None:
    elsewhere = provider.url(PATH).replace("127.0.0.1", "localhost")
    with serving(tmp_path, sqlite_url, first=REACHING_LOOPBACK) as server:
        stranger = server.exchange(request(way, asked(provider.url(PATH)), {"X-Token": "x"}))
        assert stranger.startswith(b"HTTP/1.1 401")
        server.exchange(request(way, asked(elsewhere), PROVED))
    assert provider.requests(PATH) == []
