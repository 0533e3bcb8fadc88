"""What was turned away for want of a published key is released once the key can be had.

The provider is a real server that speaks TLS on loopback, which we may reach here alone.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.config.load import load_config
from ingest.config.settings import Settings
from ingest.credentials import load_key
from ingest.key_fetching import KeyFetcher
from ingest.reverifying import Reverifying, Tally
from ingest.store import Database, open_database
from ingest.store.rejected import Wanted, list_rejected
from ingest.verify import load_catalogue
from ingest.waited_keys import WaitedKeys
from tests.services.mail import make_certificate
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until_async
from tests.web.rig import count_events, receiving

pytestmark = pytest.mark.anyio

PATH = "/.well-known/jwks.json"
BODY = b'{"type":"payment.settled"}'
LOOPBACK = [ip_network("127.0.0.0/8")]
BEHIND_ALL = "g"  # no id begins so


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    with contextlib.closing(open_database(settings.database_url)) as opened:
        yield opened


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def provider(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """Publishes the keys of the only source; for now it is out of order."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    monkeypatch.setattr("ingest.reception.KeyFetcher", partial(KeyFetcher, allow=LOOPBACK))
    with contextlib.closing(Sink(tls=certificate.context())) as sink:
        sink.script(PATH, Answer(status=500))
        settings.config_path.write_text(
            f"""
            [sources.keyed.scheme]
            family = "ed25519"
            header = "X-Signature"
            encoding = "base64"
            key_source = {{ kind = "jwks", url = "{sink.url(PATH)}" }}
            """
        )
        yield sink


def key_set(key: Ed25519PrivateKey) -> bytes:
    public = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    keys = {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": public}]}
    return json.dumps(keys).encode()


async def turned_away(settings: Settings, database: Database, *signers: Ed25519PrivateKey) -> None:
    async with receiving(settings) as client:
        for signer in signers:
            signature = base64.b64encode(signer.sign(BODY)).decode()
            headers = {"x-signature": signature}
            answer = await client.post("/in/keyed", content=BODY, headers=headers)
            assert answer.status_code == 503, "nothing is known of it, so it is no forgery"
        await wait_until_async(lambda: len(list_rejected(database, Wanted())) == len(signers))


def reverified(settings: Settings, database: Database) -> tuple[Tally, list[str]]:
    """As the command does it: nothing of the receiver is left."""
    config = load_config(settings.config_path, {}, load_catalogue())
    published: list[str] = []
    tally = Tally()
    with WaitedKeys(allow=LOOPBACK) as keys:
        credentials = load_key(settings.key_file)
        run = Reverifying(
            database, config, credentials, published.extend, keys.fetch, settings.origin
        )
        run.run(Wanted(), tally, until_id=BEHIND_ALL)
    return tally, published


async def test_it_fetches_the_keys_itself_and_releases_what_they_prove(
    settings: Settings, database: Database, provider: Sink, key: Ed25519PrivateKey
) -> None:
    stranger = Ed25519PrivateKey.generate()
    await turned_away(settings, database, key, key, stranger)
    provider.script(PATH, Answer(body=key_set(key)))
    asked = len(provider.requests(PATH))

    tally, published = await asyncio.to_thread(reverified, settings, database)

    assert (tally.released, dict(tally.refused)) == (2, {"bad_signature": 1})
    assert len(published) == count_events(settings.database_url) == 2
    assert len(provider.requests(PATH)) - asked == 1, "one document, asked for once"


async def test_keys_that_stay_away_release_nothing(
    settings: Settings, database: Database, provider: Sink, key: Ed25519PrivateKey
) -> None:
    await turned_away(settings, database, key)

    tally, published = await asyncio.to_thread(reverified, settings, database)

    assert (tally.released, dict(tally.refused)) == (0, {"key_unavailable": 1})
    assert count_events(settings.database_url) == 0
    assert published == []
    assert provider.requests(PATH)
