"""``hookkeeper secrets``: which secret is in force, until when, and which nobody uses."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.credentials import load_key
from ingest.learning import Lesson
from ingest.store import Database, open_database
from ingest.store.learned_secrets import learn, live
from ingest.vault import Vault
from tests.cli.command import Done, run
from tests.store.making import accepted, arrival, new_id, now_ms


def at(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@dataclass
class Folder:
    """A folder with a configuration and a database."""

    path: Path
    database: Database

    def source(self, secrets: str, name: str = "github") -> None:
        text = f'[sources.{name}]\nprovider = "github"\nsecrets = [{secrets}]\n'
        with (self.path / "hookkeeper.toml").open("a") as file:
            file.write(text)

    def run(self, *arguments: str) -> Done:
        return run(self.path, "secrets", *arguments, settings={"ONE": "1", "TWO": "2"})

    def found(self, name: str = "github") -> dict[str, Any]:
        return next(each for each in self.run("check", "--json").json if each["name"] == name)


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Iterator[Folder]:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    database = open_database(f"sqlite:///{tmp_path}/data/hookkeeper.db")
    yield Folder(tmp_path, database)
    database.close()


def test_each_secret_is_shown_by_name_with_its_last_use(folder: Folder) -> None:
    folder.source('"env:ONE", "env:TWO"')
    used = arrival(secret_name="env:ONE")
    accepted(folder.database, used)
    found = folder.found()
    one, two = found["secrets"]
    assert (one["name"], one["state"], one["last_used_at"]) == ("env:ONE", "live", used.received_at)
    assert two["last_used_at"] is None
    assert "proved none of the newest events" in two["notes"][0]
    shown = folder.run("check")
    assert shown.code == 0
    assert "never" in shown.out


def test_one_that_ends_within_a_week_is_pointed_out(folder: Folder) -> None:
    folder.source(f'{{ value = "env:ONE", expires = "{at(3)}" }}')
    found = folder.found()
    assert found["secrets"][0]["notes"][0].startswith("ends in 2d")
    assert found["warnings"] == [
        "all secrets that are in force end within 7 days: add the next one"
    ]
    assert folder.run("check").code == 0


def test_a_successor_that_lasts_is_enough(folder: Folder) -> None:
    folder.source(f'{{ value = "env:ONE", expires = "{at(3)}" }}, "env:TWO"')
    assert folder.found()["warnings"] == []


def test_a_source_without_one_in_force_fails_the_check(folder: Folder) -> None:
    folder.source('"env:TWO"')
    folder.source(f'{{ value = "env:ONE", expires = "{at(-1)}" }}', name="old")
    done = folder.run("check")
    assert done.code == 1
    assert "old: has no secret that is in force" in done.out
    assert folder.found("old")["secrets"][0]["state"] == "expired"
    assert folder.found()["live"]


def test_a_source_that_needs_none_is_named_all_the_same(folder: Folder) -> None:
    """Left out, it would look forgotten: falai publishes its keys, mollie proves nothing."""
    with (folder.path / "hookkeeper.toml").open("a") as file:
        file.write('[sources.images]\nprovider = "falai"\n')
        file.write('[sources.money]\nprovider = "mollie"\nunproved = true\n')
    done = folder.run("check")
    assert done.code == 0
    rows = [line.split("\t")[:3] for line in done.out.splitlines()[1:]]
    assert rows == [["images", "(none)", "not needed"], ["money", "(none)", "not needed"]]


def test_a_learned_secret_is_shown_and_can_be_retired(folder: Folder) -> None:
    folder.source('"env:ONE"')
    vault = Vault(load_key(folder.path / "data" / "hookkeeper.key"))
    name = f"learned:{new_id()}"
    learn(folder.database, Lesson(vault.lock("github", name, b"s1", now_ms()), waiting=True))
    learned = folder.found()["secrets"][1]
    assert (learned["name"], learned["state"]) == (name, "live")
    assert learned["learned_at"] is not None
    assert folder.run("retire", "github", name).code == 0
    assert live(folder.database) == []
    assert folder.run("retire", "github", name).code == 1


def test_no_value_is_ever_shown(folder: Folder) -> None:
    folder.source('"file:value"')
    (folder.path / "value").write_text("hunter2-hunter2")
    for arguments in (("check",), ("check", "--json")):
        done = folder.run(*arguments)
        assert "hunter2" not in done.out + done.err


def test_only_a_source_that_can_learn_is_opened(folder: Folder) -> None:
    folder.source('"env:ONE"')
    assert "says no secret in a handshake" in folder.run("learn", "github").err
    assert "there is no source" in folder.run("learn", "gihub").err
