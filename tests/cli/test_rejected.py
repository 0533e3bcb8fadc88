"""``hookkeeper rejected`` and ``secrets`` as an operator uses them after a mistake."""

import hashlib
import hmac
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.credentials import load_key
from ingest.rejection import RejectedRequest, RejectedState
from ingest.store import Database, open_database
from ingest.store.rejected import Wanted, get_rejected, keep, list_rejected
from tests.cli.command import Done, argv, environ, run
from tests.store.making import one
from tests.store.rejecting import rejected_request
from tests.waiting import wait_until

SECRET = b"it's a secret to everybody"
CONFIG = """
[sources.github]
provider = "github"
secrets = ["file:secret"]
"""


@dataclass
class Folder:
    """A folder with a database and rejected requests, as a receiver left it."""

    path: Path
    database: Database

    def run(self, *arguments: str) -> Done:
        return run(self.path, "rejected", *arguments)

    def keep(self, secret: bytes, count: int = 1, **changes: object) -> list[str]:
        requests = [self.request(secret, number, **changes) for number in range(count)]
        keep(self.database, requests)
        return [one.id for one in requests]

    def request(self, secret: bytes, number: int = 0, **changes: object) -> RejectedRequest:
        body = b'{"number":%d}' % number
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        headers = (
            ("x-github-event", "push"),
            ("x-github-delivery", f"d-{number}"),
            ("x-hub-signature-256", f"sha256={signature}"),
        )
        return rejected_request(body, **{"headers": headers, **changes})

    def events(self) -> int:
        return int(one(self.database, "SELECT count(*) FROM events"))

    def released(self) -> int:
        return len(list_rejected(self.database, Wanted(state=RejectedState.RELEASED), limit=9_999))


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Iterator[Folder]:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    (tmp_path / "hookkeeper.toml").write_text(CONFIG)
    (tmp_path / "secret").write_bytes(b"mistyped")
    load_key(tmp_path / "data" / "hookkeeper.key")
    database = open_database(f"sqlite:///{tmp_path}/data/hookkeeper.db")
    yield Folder(tmp_path, database)
    database.close()


def test_they_are_listed_and_explained(folder: Folder) -> None:
    (stale,) = folder.keep(SECRET, reason="stale_timestamp")
    (bad,) = folder.keep(SECRET)
    listed = folder.run("list", "--json").json
    assert [row["id"] for row in listed] == [bad, stale]
    assert [row["id"] for row in folder.run("list", "--reason", "stale_timestamp", "--json").json]
    assert "bad_signature" in folder.run("list", "--source", "github", "--since", "1h").out
    told = folder.run("show", bad[:30]).out
    assert "no secret of this source makes this signature" in told
    assert "passed       the source has a secret" in told
    assert "failed       one of the source's secrets makes it" in told
    assert "not reached  it was made just then" in told
    assert "rejected reverify" in told
    assert folder.run("show", bad, "--body").raw == b'{"number":0}'
    assert folder.run("show", bad, "--json").json["explanation"]["steps"][3]["result"] == "failed"
    assert folder.run("show", "00000000-0000").code == 1


def test_a_mended_secret_releases_them(folder: Folder) -> None:
    folder.keep(SECRET, 3)
    folder.keep(b"a forger's", source="github")
    refused = folder.run("reverify")
    assert refused.code == 0
    assert "Checked 4 requests: 0 released" in refused.out
    assert "bad_signature" in refused.out
    (folder.path / "secret").write_bytes(SECRET)
    done = folder.run("reverify", "--json").json
    assert done == {
        "checked": 4,
        "released": 3,
        "duplicates": 0,
        "refused": {"bad_signature": 1},
    }
    assert folder.events() == folder.released() == 3
    assert folder.run("reverify", "--json").json["released"] == 0


def test_one_is_verified_by_its_id_and_says_if_it_is_still_refused(folder: Folder) -> None:
    first, second = folder.keep(SECRET, 2)
    assert folder.run("reverify", first).code == 1
    (folder.path / "secret").write_bytes(SECRET)
    assert folder.run("reverify", first[:30]).code == 0
    assert get_rejected(folder.database, first).state is RejectedState.RELEASED
    assert get_rejected(folder.database, second).state is RejectedState.KEPT
    assert folder.run("reverify", first, "--source", "github").code == 2


def test_filters_leave_the_others_alone(folder: Folder) -> None:
    (folder.path / "secret").write_bytes(SECRET)
    folder.keep(SECRET, 2)
    assert folder.run("reverify", "--reason", "stale_timestamp", "--json").json["checked"] == 0
    assert folder.run("reverify", "--source", "stripe", "--json").json["checked"] == 0
    assert folder.run("reverify", "--since", "1h", "--json").json["released"] == 2


def test_a_source_that_is_gone_is_said(folder: Folder) -> None:
    folder.keep(SECRET, source="removed")
    assert folder.run("reverify", "--json").json["refused"] == {"unknown_source": 1}


def test_killed_in_the_middle_and_run_twice_at_once_each_is_released_once(folder: Folder) -> None:
    (folder.path / "secret").write_bytes(SECRET)
    # Without a delivery id nothing but the request's own state stops a second event.
    unnamed = [
        request._replace(headers=request.headers[2:])
        for request in (folder.request(SECRET, number) for number in range(400))
    ]
    keep(folder.database, unnamed)
    command = argv("rejected", "reverify")
    started = subprocess.Popen(command, cwd=folder.path, env=environ(), stdout=subprocess.DEVNULL)
    wait_until(lambda: folder.released() > 0, describe="the first releases")
    started.send_signal(signal.SIGKILL)
    started.wait(timeout=20)
    assert folder.events() == folder.released() < 400
    both = [
        subprocess.Popen(command, cwd=folder.path, env=environ(), stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [each.wait(timeout=60) for each in both] == [0, 0]
    assert folder.events() == folder.released() == 400
