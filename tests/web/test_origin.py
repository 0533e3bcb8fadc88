"""Providers that sign the URL sign where they post to, and no sender says where that is."""

import contextlib
from pathlib import Path

import pytest

from ingest.config.load import load_config
from ingest.config.settings import Settings
from ingest.credentials import load_key
from ingest.origin import moved, origin
from ingest.reverifying import Reverifying, Tally
from ingest.store import open_database
from ingest.store.rejected import Wanted, list_rejected
from ingest.testing import Webhook, make_webhook
from ingest.verify import load_catalogue
from ingest.verify.key_set import NO_KEYS
from tests.waiting import wait_until_async
from tests.web.rig import make_settings, receiving, stored

TOKEN = "12345678901234567890123456789012"
BEHIND_ALL = "g"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """A receiver that nobody told how it is reached from outside."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "hookkeeper.toml").write_text(
        '[sources.calls]\nprovider = "twilio"\nsecrets = ["file:token"]\n'
    )
    return make_settings(tmp_path, database_url, HOST="0.0.0.0", PORT="8080")


def call_for(url: str) -> Webhook:
    """What Twilio posts to a server: the URL is a part of what it signs."""
    return make_webhook("twilio", secret=TOKEN, source="calls", public_url=url)


@pytest.mark.anyio
async def test_the_host_header_does_not_say_which_url_was_signed(settings: Settings) -> None:
    """A genuine request to another server of the same account would else hold here, too."""
    elsewhere, here = call_for("http://elsewhere.example"), call_for("http://127.0.0.1:8080")
    async with receiving(settings) as client:
        headers = {**elsewhere.headers, "host": "elsewhere.example"}
        answer = await client.post(elsewhere.path, content=elsewhere.body, headers=headers)
        assert answer.status_code == 401
        headers = {**here.headers, "host": "elsewhere.example"}
        answer = await client.post(here.path, content=here.body, headers=headers)
        assert answer.is_success


@pytest.mark.anyio
async def test_once_the_public_url_is_set_what_it_cost_is_released(
    settings: Settings, tmp_path: Path, database_url: str
) -> None:
    call = call_for("https://hooks.example.com")
    async with receiving(settings) as client:
        answer = await client.post(call.path, content=call.body, headers=call.headers)
        assert answer.status_code == 401
        with contextlib.closing(open_database(database_url)) as database:
            await wait_until_async(lambda: list_rejected(database, Wanted()))
    mended = make_settings(tmp_path, database_url, PUBLIC_URL="https://hooks.example.com")
    tally, published = Tally(), list[str]()
    with contextlib.closing(open_database(database_url)) as database:
        run = Reverifying(
            database,
            load_config(mended.config_path, {}, load_catalogue()),
            load_key(mended.key_file),
            published.extend,
            lambda _needs: NO_KEYS,
            mended.origin,
        )
        run.run(Wanted(), tally, until_id=BEHIND_ALL)
    assert (tally.checked, tally.released) == (1, 1)
    (event_id,) = published
    assert stored(database_url, event_id).body == call.body


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("hooks.test", "http://hooks.test:80"),
    ],
)
def test_a_server_is_reached_where_it_listens(host: str, address: str) -> None:
    assert origin(host, 80) == address


@pytest.mark.parametrize(
    "rest", ["/in/a", "/in/a?b=c%20d", "//in/a?b=https://x.test/", "/in/a?", "/in/a#b?c"]
)
def test_a_url_that_moves_keeps_the_rest_byte_for_byte(rest: str) -> None:
    assert moved(f"http://127.0.0.1:1{rest}", "https://hooks.test") == f"https://hooks.test{rest}"
