"""What proves nothing is kept behind its answer, within bounds, and released once it is proved."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.config.load import load_config
from ingest.config.settings import Settings
from ingest.credentials import load_key
from ingest.rejection import RejectedState
from ingest.reverifying import Reverifying, Tally
from ingest.store import Database, open_database
from ingest.store.rejected import RejectedRow, Wanted, get_rejected, list_rejected
from ingest.verify import load_catalogue
from ingest.verify.key_set import NO_KEYS
from tests.waiting import wait_until_async
from tests.web.rig import (
    CONFIG,
    SECRET,
    count_events,
    github_headers,
    make_settings,
    receiving,
    sample,
    slack_headers,
    stored,
)

pytestmark = pytest.mark.anyio

BODY = b'{"ref":"refs/heads/main"}'
NEW_SECRET = b"the secret that the sender has had for a week"
LAST_ID = "g"  # behind every id


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    with contextlib.closing(open_database(settings.database_url)) as opened:
        yield opened


async def kept(database: Database, count: int = 1) -> list[RejectedRow]:
    """The newest first; storing happens behind the answers."""
    await wait_until_async(lambda: len(list_rejected(database, Wanted())) >= count)
    return list_rejected(database, Wanted())


def reverified(
    settings: Settings, database: Database, wanted: Wanted | None = None, **secrets: bytes
) -> tuple[Tally, list[str]]:
    """Verify all again, with other values of environment secrets."""
    environ = {"GITHUB_WEBHOOK_SECRET": SECRET.decode()}
    environ |= {name: value.decode() for name, value in secrets.items()}
    config = load_config(settings.config_path, environ, load_catalogue())
    published: list[str] = []
    tally = Tally()
    key = load_key(settings.key_file)
    run = Reverifying(
        database, config, key, published.extend, lambda _needs: NO_KEYS, settings.origin
    )
    while run.run(wanted or Wanted(), tally, until_id=LAST_ID):
        pass
    return tally, published


async def test_what_proves_nothing_is_kept_whole_with_its_cause(
    settings: Settings, database: Database
) -> None:
    headers = github_headers(BODY, secret=b"wrong") | {"authorization": "Bearer s3cr3t-token"}
    async with receiving(settings) as client:
        answer = await client.post("/in/github?tenant=7", content=BODY, headers=headers)
        assert answer.status_code == 401
        (row,) = await kept(database)
    found = get_rejected(database, row.id)
    assert (found.source, found.reason, found.body) == ("github", "bad_signature", BODY)
    assert found.body_sha256 == hashlib.sha256(BODY).digest()
    assert found.url.endswith("/in/github?tenant=7")
    sent = dict(found.headers)
    assert sent["x-hub-signature-256"] == headers["x-hub-signature-256"]
    assert sent["authorization"].startswith("Bearer hmac-sha256:")
    assert "s3cr3t" not in str(found)
    assert "no secret" in found.detail
    assert count_events(settings.database_url) == 0


async def test_a_mended_secret_releases_what_it_turned_away(
    settings: Settings, database: Database
) -> None:
    """The operator pasted the wrong secret; the provider has given up meanwhile."""
    headers = github_headers(BODY, secret=NEW_SECRET)
    async with receiving(settings) as client:
        await client.post("/in/github", content=BODY, headers=headers)
        await client.post("/in/github", content=BODY, headers=headers)  # its own second try
        await client.post("/in/github", content=b"forged", headers=headers)
        before = await kept(database, 3)
    nothing, _ = reverified(settings, database)
    assert (nothing.checked, nothing.released, dict(nothing.refused)) == (
        (3, 0, {"bad_signature": 3})
    )
    tally, published = reverified(settings, database, GITHUB_WEBHOOK_SECRET=NEW_SECRET)
    assert (tally.released, tally.duplicates, dict(tally.refused)) == (1, 1, {"bad_signature": 1})
    (event_id,) = published
    event = stored(settings.database_url, event_id)
    assert (event.source, event.type, event.body) == ("github", "push", BODY)
    assert event.type_signed is False, "as it would have been at its receipt"
    assert event.received_at == before[-1].received_at, "the time of receipt, not of release"
    rows = list_rejected(database, Wanted(state=RejectedState.RELEASED))
    assert {row.released_event_id for row in rows} == {event_id}
    again, more = reverified(settings, database, GITHUB_WEBHOOK_SECRET=NEW_SECRET)
    assert (again.released, more) == (0, [])


async def test_a_rejected_request_takes_no_dedupe_key(
    settings: Settings, database: Database
) -> None:
    """A forger who knows a delivery's id must not make the true one a duplicate."""
    forged = github_headers(BODY, secret=b"wrong", delivery="d-77")
    async with receiving(settings) as client:
        await client.post("/in/github", content=BODY, headers=forged)
        await kept(database)
        genuine = github_headers(BODY, delivery="d-77")
        answer = await client.post("/in/github", content=BODY, headers=genuine)
    assert answer.status_code == 202


async def test_it_is_verified_as_of_its_receipt(settings: Settings, database: Database) -> None:
    """Fresh when it came, it is not stale an hour later; stale when it came, it stays so."""
    settings.config_path.write_text(CONFIG.replace("env:GITHUB", "env:OTHER"))
    now = int(time.time())
    fresh, old = slack_headers(b"{}", now), slack_headers(b"{}", now - 3_600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_WEBHOOK_SECRET", "wrong")
        async with receiving(settings) as client:
            for headers in (fresh, old):
                answer = await client.post("/in/slack", content=b"{}", headers=headers)
                assert answer.status_code == 401
            await kept(database, 2)
    tally, _ = reverified(settings, database, OTHER_WEBHOOK_SECRET=SECRET)
    assert (tally.released, dict(tally.refused)) == (1, {"stale_timestamp": 1})


async def test_a_secret_that_had_ended_at_the_receipt_stays_ended(
    settings: Settings, database: Database
) -> None:
    ended = '{ value = "env:GITHUB_WEBHOOK_SECRET", expires = "2026-01-01T00:00:00Z" }'
    live = 'secrets = ["env:OTHER_SECRET", ' + ended + "]"
    settings.config_path.write_text(f'[sources.github]\nprovider = "github"\n{live}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_SECRET", "another")
        async with receiving(settings) as client:
            await client.post("/in/github", content=BODY, headers=github_headers(BODY))
            (row,) = await kept(database)
    assert row.reason == "expired_secret"
    tally, _ = reverified(settings, database, OTHER_SECRET=b"another")
    assert dict(tally.refused) == {"expired_secret": 1}


@pytest.mark.parametrize(
    ("scheme", "headers", "url"),
    [
        ('family = "token"\nheader = "X-Gitlab-Token"', {"x-gitlab-token": "{}"}, ""),
        (
            'family = "token"\nheader = "Authorization"\nprefix = "Bearer "',
            {"authorization": "Bearer {}"},
            "",
        ),
        ('family = "token"\nheader = "X-Auth"\nprefix = "Tok "', {"x-auth": "Tok {}"}, ""),
        ('family = "token"\nsignature = "query:key"', {}, "?a=1&key={}"),
        ('family = "basic"', {"authorization": "Basic {}"}, ""),
    ],
)
async def test_a_token_is_kept_as_a_digest_that_can_still_prove(
    settings: Settings, database: Database, scheme: str, headers: dict[str, str], url: str
) -> None:
    secret = "user:pass-word" if "basic" in scheme else "pass-word"
    sent = b64encode(secret.encode()).decode() if "basic" in scheme else secret
    settings.config_path.write_text(
        f'[sources.desk]\nsecrets = ["env:DESK"]\n[sources.desk.scheme]\n{scheme}\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESK", "user:mistyped")
        async with receiving(settings) as client:
            filled = {name: value.format(sent) for name, value in headers.items()}
            await client.post("/in/desk" + url.format(sent), content=BODY, headers=filled)
            wrong = {name: value.format("d3Jvbmc=") for name, value in headers.items()}
            await client.post("/in/desk" + url.format("wrong"), content=b"2", headers=wrong)
            rows = await kept(database, 2)
    assert sent not in str([get_rejected(database, row.id) for row in rows])
    tally, published = reverified(settings, database, DESK=secret.encode())
    assert (tally.released, dict(tally.refused)) == (1, {"bad_signature": 1})
    assert stored(settings.database_url, published[0]).body == BODY


async def test_a_token_in_a_header_that_nobody_named_is_kept_as_a_digest(
    settings: Settings, database: Database
) -> None:
    """Set up as the wrong provider: the right one's token must not lie there in the clear."""
    async with receiving(settings) as client:
        headers = {"x-gitlab-token": SECRET.decode()}
        await client.post("/in/github", content=BODY, headers=headers)
        (row,) = await kept(database)
    assert "secret to everybody" not in str(get_rejected(database, row.id))
    token = 'secrets = ["env:GITHUB_WEBHOOK_SECRET"]\n[sources.github.scheme]\nfamily = "token"'
    settings.config_path.write_text(f'[sources.github]\n{token}\nheader = "X-Gitlab-Token"\n')
    tally, _ = reverified(settings, database)
    assert tally.released == 1


def with_rejected(settings: Settings, words: str) -> None:
    text = CONFIG.replace('provider = "github"', f'provider = "github"\nrejected = {words}', 1)
    settings.config_path.write_text(text)


def fates(*names: str) -> list[float]:
    return [sample("hookkeeper_rejected_kept_total", source="github", fate=name) for name in names]


async def test_what_is_over_a_bound_is_counted_and_not_kept(
    settings: Settings, database: Database
) -> None:
    with_rejected(settings, '{ size = "1KB", rate = 3 }')
    before = fates("too_large", "too_many")
    async with receiving(settings) as client:
        answer = await client.post("/in/github", content=b"x" * 1_001)
        assert answer.status_code == 401
        for _ in range(5):
            await client.post("/in/github", content=b"x" * 1_000)
        assert len(await kept(database, 3)) == 3
    assert fates("too_large", "too_many") == [before[0] + 1, before[1] + 2]


async def test_a_source_may_keep_none(settings: Settings, database: Database) -> None:
    with_rejected(settings, "false")
    async with receiving(settings) as client:
        await client.post("/in/github", content=b"x")
        await client.post("/in/token", content=b"x")
        (row,) = await kept(database)
    assert row.source == "token"


async def test_nothing_is_kept_while_the_disk_is_low(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It turns low between the admission and the answer: before that, everybody is shed."""
    settings = make_settings(tmp_path, sqlite_url)
    before = fates("disk_low")
    async with receiving(settings) as client:
        looks = iter([False])
        monkeypatch.setattr("ingest.disk.Disk.low", property(lambda _self: next(looks, True)))
        answer = await client.post("/in/github", content=BODY)
        assert answer.status_code == 401
    assert fates("disk_low") == [before[0] + 1]
    with contextlib.closing(open_database(sqlite_url)) as opened:
        assert list_rejected(opened, Wanted()) == []


async def test_genuine_events_are_committed_during_a_flood_of_forgeries(
    settings: Settings, database: Database
) -> None:
    """Forged bodies as large as may be kept, as fast as they come: memory stays bounded."""
    with_rejected(settings, '{ rate = 100000, total = "2MB" }')
    forged = b"x" * 200_000
    bad = github_headers(forged, secret=b"wrong")
    async with receiving(settings) as client:
        flood = [client.post("/in/github", content=forged, headers=bad) for _ in range(100)]
        genuine = []
        for number in range(50):
            body = json.dumps({"number": number}).encode()
            headers = github_headers(body, delivery=f"d-{number}")
            genuine.append(client.post("/in/github", content=body, headers=headers))
        answers = await asyncio.gather(*flood, *genuine)
        assert [one.status_code for one in answers] == [401] * 100 + [202] * 50
        rows = await kept(database)
    assert sum(row.size for row in rows) <= 2_000_000


async def test_a_method_or_source_that_there_is_not_leaves_nothing(
    settings: Settings, database: Database
) -> None:
    """Only what a scheme turns away is kept; scanners of paths and methods are not."""
    async with receiving(settings) as client:
        await client.post("/in/nobody", content=b"x")
        await client.get("/in/github")
        await client.post("/in/github", content=b"x")
        assert len(await kept(database)) == 1


async def test_what_was_kept_once_is_never_verified_by_a_digest_itself(
    settings: Settings, database: Database
) -> None:
    """Whoever reads the database must not be able to send what stands there."""
    headers = {"x-gitlab-token": SECRET.decode() + "?"}
    async with receiving(settings) as client:
        await client.post("/in/token", content=b"x", headers=headers)
        (row,) = await kept(database)
        digest = dict(get_rejected(database, row.id).headers)["x-gitlab-token"]
        answer = await client.post("/in/token", content=b"x", headers={"x-gitlab-token": digest})
    assert answer.status_code == 403
    assert hmac.compare_digest(digest[:12], "hmac-sha256:")


async def test_a_signature_in_authorization_can_be_verified_again(
    settings: Settings, database: Database
) -> None:
    """Microsoft Teams signs there. It opens nothing else, so it is no credential."""
    settings.config_path.write_text(
        '[sources.teams]\nsecrets = ["env:TEAMS"]\n[sources.teams.scheme]\nfamily = "hmac"\n'
        'header = "Authorization"\nprefix = "HMAC "\nencoding = "base64"\n'
    )
    signature = b64encode(hmac.digest(NEW_SECRET, BODY, "sha256")).decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEAMS", "mistyped")
        async with receiving(settings) as client:
            headers = {"authorization": f"HMAC {signature}"}
            await client.post("/in/teams", content=BODY, headers=headers)
            await kept(database)
    tally, _ = reverified(settings, database, TEAMS=NEW_SECRET)
    assert tally.released == 1
