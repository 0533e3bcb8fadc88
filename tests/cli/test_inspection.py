"""Looking at events and dead letters, and putting things right, with nothing else running."""

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingest.cli.showing import preview
from ingest.events import DeliveryState
from ingest.store import Database, claims, open_database
from tests.cli.command import Done, run
from tests.store import making

CONFIG = """
handlers = ["handlers"]
[destinations.billing]
url = "https://billing.example.com/hooks"
"""
HANDLERS = """
from ingest import Event, on

@on("github", name="deploy")
def deploy(event: Event) -> None: ...
"""


@dataclass
class Folder:
    """A folder with a database that the test fills."""

    path: Path
    database: Database

    def run(self, *arguments: str) -> Done:
        return run(self.path, *arguments)

    def dead(self, destination: str = "billing") -> str:
        """A delivery that was given up; its id."""
        (ref,) = making.dispatched(self.database, destination)
        worker = making.a_worker(self.database)
        (claim,) = making.claimed(self.database, worker, [ref])
        dead = making.settled(claim, DeliveryState.DEAD, making.REFUSAL)
        claims.record(self.database, worker, [dead], {})
        return ref.id


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Iterator[Folder]:
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    (tmp_path / "hookkeeper.toml").write_text(CONFIG)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    database = open_database(f"sqlite:///{tmp_path}/data/hookkeeper.db")
    yield Folder(tmp_path, database)
    database.close()


def test_events_are_listed_newest_first_and_can_be_filtered(folder: Folder) -> None:
    (old,) = making.stored(folder.database, received_at=making.now_ms() - 7_200_000)
    (push,) = making.stored(folder.database)
    (paid,) = making.stored(folder.database, source="stripe", type="invoice.paid")

    def ids(*filters: str) -> list[str]:
        return [row["id"] for row in folder.run("events", "list", "--json", *filters).json]

    assert ids() == [paid.id, push.id, old.id]
    assert ids("--limit", "1") == [paid.id]
    assert ids("--source", "github") == [push.id, old.id]
    assert ids("--type", "invoice.paid") == [paid.id]
    assert ids("--since", "1h") == [paid.id, push.id]
    assert ids("--state", "unmatched") == []


def test_a_list_in_a_pipe_is_tab_separated(folder: Folder) -> None:
    (event,) = making.stored(folder.database)

    header, row = folder.run("events", "list").out.splitlines()

    assert header.split("\t")[:4] == ["id", "received", "source", "type"]
    assert row.split("\t")[0] == event.id


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(("--since", "yesterday"), "2h"), (("--state", "lost"), "unmatched")],
)
def test_a_wrong_filter_says_what_is_right(
    folder: Folder, arguments: tuple[str, ...], hint: str
) -> None:
    done = folder.run("events", "list", *arguments)

    assert done.code == 2
    assert hint in done.err or "15s" in done.err


def test_an_event_is_shown_with_its_deliveries_their_attempts_and_its_body(
    folder: Folder,
) -> None:
    folder.dead()
    (row,) = folder.run("events", "list", "--json").json

    shown = folder.run("events", "show", row["id"]).out
    told = folder.run("events", "show", row["id"], "--json").json

    assert "-> billing (http): dead" in shown
    assert "permanent 410 http_410 Gone" in shown
    assert '  "zen": "Keep it logically awesome."' in shown
    assert told["event"]["body"] == making.BODY.decode()
    assert told["deliveries"][0]["delivery"]["state"] == "dead"
    assert told["deliveries"][0]["attempts"][0]["status"] == 410


def test_an_event_names_the_secret_that_proved_it(folder: Folder) -> None:
    arrival = making.arrival(secret_name="env:GITHUB_WEBHOOK_SECRET")
    making.accepted(folder.database, arrival)

    shown = folder.run("events", "show", arrival.event_id).out

    assert "proved by      env:GITHUB_WEBHOOK_SECRET\n" in shown


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (
            {"type_signed": False},
            "push (not signed: what proved the request does not cover all of it)",
        ),
        ({"type_signed": True}, "push"),
        ({"type_signed": None}, "push"),
        ({"type_signed": False, "secret_name": None}, "push"),
        ({"type_signed": False, "type": ""}, "(none)"),
    ],
    ids=str,
)
def test_a_type_that_anybody_may_have_written_is_shown_so(
    folder: Folder, changes: dict[str, Any], shown: str
) -> None:
    arrival = making.arrival(**changes)
    making.accepted(folder.database, arrival)

    assert f"\ntype           {shown}\n" in folder.run("events", "show", arrival.event_id).out
    told = folder.run("events", "show", arrival.event_id, "--json").json
    (listed,) = folder.run("events", "list", "--json").json
    assert told["event"]["type_signed"] is listed["type_signed"] is changes["type_signed"]


def test_what_is_out_of_the_ordinary_is_noted_in_the_list(folder: Folder) -> None:
    key = making.key_of("delivery-1")
    making.accepted(folder.database, making.arrival(key=key), making.arrival(b"{}", key=key))

    assert "duplicates 1, with another body 1" in folder.run("events", "list").out


def test_what_came_under_the_same_id_with_another_body_is_shown_beside_the_first(
    folder: Folder,
) -> None:
    key = making.key_of("delivery-1")
    first = making.arrival(b'{"n":1}', key=key)
    others = [making.arrival(b'{"n":%d}' % number, key=key) for number in range(2, 7)]
    making.accepted(folder.database, first, *others)

    shown = folder.run("events", "show", first.event_id).out
    told = folder.run("events", "show", first.event_id, "--json").json

    assert shown.count("the same id came with another body") == 3
    assert '"n": 2' in shown
    assert "5 other bodies in all" in shown
    assert [one["body"] for one in told["conflicts"]] == [one.body.decode() for one in others]


def test_an_event_is_found_by_the_start_of_its_id(folder: Folder) -> None:
    (event,) = making.stored(folder.database)

    assert folder.run("events", "show", event.id[:18]).code == 0


@pytest.mark.parametrize("prefix", ["01a20000-dead", "0"])
def test_an_event_that_is_not_there_is_an_answer(folder: Folder, prefix: str) -> None:
    done = folder.run("events", "show", prefix)

    assert done.code == 1
    assert prefix in done.err
    assert "Traceback" not in done.err


def test_a_body_is_written_byte_for_byte(folder: Folder) -> None:
    body = bytes(range(256)) + b"\r\n\x1b[2J"
    (event,) = making.stored(folder.database, body=body)

    assert folder.run("events", "show", event.id, "--body").raw == body
    told = folder.run("events", "show", event.id, "--json").json
    assert base64.b64decode(told["event"]["body"]["base64"]) == body
    assert "\x1b" not in folder.run("events", "show", event.id).out


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"a":1}', '{\n  "a": 1\n}'),
        (b"a=1&b=\x1b[2J", "a=1&b=\\x1b[2J"),
        (b"\xff", "(1 bytes that are not UTF-8; --body writes them as they are)"),
        (b"", ""),
        (b"[" * 100_000, None),
    ],
)
def test_a_preview_shows_what_a_terminal_can_take(body: bytes, shown: str | None) -> None:
    got = preview(body)

    assert got == shown if shown is not None else "100,000 bytes in all" in got


def test_replaying_an_event_sends_it_its_way_again(folder: Folder) -> None:
    (event,) = making.stored(folder.database)

    done = folder.run("events", "replay", event.id, "--json")

    assert done.json == {"event_id": event.id, "generation": 1}
    states = making.rows(folder.database, "SELECT state, generation FROM events")
    assert states == [("stored", 1)]


def test_dead_letters_are_listed_with_their_reason(folder: Folder) -> None:
    dead = folder.dead()
    folder.dead("mirror")

    rows = folder.run("dead", "list", "--destination", "billing", "--json").json

    assert [row["id"] for row in rows] == [dead]
    assert "http_410 Gone" in folder.run("dead", "list").out


def test_a_replayed_dead_letter_leaves_the_list(folder: Folder) -> None:
    dead = folder.dead()

    replayed = folder.run("dead", "replay", dead, "--json").json["replayed"]

    assert [each["id"] for each in replayed] == [dead]
    assert folder.run("dead", "list", "--json").json == []
    state = "SELECT state FROM deliveries WHERE id = :id"
    assert making.one(folder.database, state, id=replayed[0]["as"]) == "waiting"

    again = folder.run("dead", "replay", dead)
    assert again.code == 1
    assert replayed[0]["as"] in again.err


def test_dead_letters_are_replayed_by_destination_or_all_at_once(folder: Folder) -> None:
    for destination in ("billing", "billing", "mirror"):
        folder.dead(destination)

    only = folder.run("dead", "replay", "--destination", "billing")
    rest = folder.run("dead", "replay", "--all")

    assert only.out == "Replaying 2 dead letters.\n"
    assert rest.out == "Replaying 1 dead letter.\n"


@pytest.mark.parametrize("arguments", [(), ("--all", "--destination", "billing")])
def test_replaying_needs_exactly_one_choice(folder: Folder, arguments: tuple[str, ...]) -> None:
    done = folder.run("dead", "replay", *arguments)

    assert done.code == 2
    assert "--all" in done.err


def test_destinations_are_paused_listed_and_resumed(folder: Folder) -> None:
    folder.run("destinations", "pause", "billing", "--reason", "their migration")

    listed = {row["name"]: row for row in folder.run("destinations", "list", "--json").json}
    assert listed["billing"]["paused"] is True
    assert listed["billing"]["reason"] == "their migration"
    assert listed["deploy"]["kind"] == "python"
    assert listed["deploy"]["paused"] is False

    folder.run("destinations", "resume", "billing")
    assert "paused" not in folder.run("destinations", "list").out


def test_a_mistyped_destination_is_not_paused(folder: Folder) -> None:
    done = folder.run("destinations", "pause", "biling")

    assert done.code == 1
    assert '"billing"' in done.err
    assert making.rows(folder.database, "SELECT name FROM paused_destinations") == []


@pytest.mark.parametrize(
    "command",
    [("events", "list"), ("dead", "list"), ("destinations", "list"), ("version",), ("doctor",)],
)
def test_every_answer_can_be_json(folder: Folder, command: tuple[str, ...]) -> None:
    assert isinstance(json.loads(folder.run(*command, "--json").out), dict | list)
