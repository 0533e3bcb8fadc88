"""``hookkeeper simulate`` and ``send`` against a pipeline of many sources, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.cli.simulating import chosen_days
from ingest.simulator.planned import Day
from tests.cli.command import run
from tests.cli.running import Up, running
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer
from tests.waiting import wait_until

CONFIG = """
handlers = ["handlers"]

[sources.github]
provider = "github"
secrets = ["file:one", "file:two", { value = "file:old", expires = "2020-01-01T00:00:00Z" }]

[sources.stripe]
provider = "stripe"
secrets = ["file:one", "file:two"]

[sources.slack]
provider = "slack"
secrets = ["file:one"]

[sources.twilio]
provider = "twilio"
secrets = ["file:one"]

[sources.livekit]
provider = "livekit"
secrets = ["file:one"]

[sources.telnyx]
provider = "telnyx"
secrets = ["file:data/keys/telnyx.pub"]

[sources.highlevel]
provider = "highlevel_ed25519"
secrets = ["file:data/keys/highlevel_ed25519.pub"]

[sources.fal]
provider = "falai"

[sources.plain]
provider = "none"

[sources.alike]
provider = "github"
secrets = ["file:one"]
dedupe = "body"
dedupe_window = "1h"
"""
HANDLERS = """
from ingest import Event, on


@on("*")
def handle(event: Event) -> None: ...
"""
SENDING = ["github", "stripe", "slack", "twilio", "livekit", "telnyx", "highlevel", "plain"]


def folder_of(folder: Path) -> Path:
    """A folder with many sources, and the keys that two of them need."""
    for name in ("one", "two", "old"):
        (folder / name).write_text(f"the secret called {name}")
        (folder / name).chmod(0o600)
    (folder / "handlers.py").write_text(HANDLERS)
    for provider in ("telnyx", "highlevel_ed25519"):
        assert run(folder, "send", provider, "--new-key").code == 0
    (folder / "hookkeeper.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(folder_of(tmp_path_factory.mktemp("simulate"))) as started:
        yield started


def test_a_mix_of_bad_days_ends_as_expected_and_every_event_is_handled(up: Up) -> None:
    _plays_well(up)


def test_on_postgresql_it_does_too(tmp_path: Path, postgres_server: PostgresServer) -> None:
    postgres_server.start()
    url = postgres_server.create_database("simulate")
    with running(folder_of(tmp_path), {"HOOKKEEPER_DATABASE_URL": url}) as started:
        _plays_well(started)


def _plays_well(up: Up) -> None:
    before = len(_events(up))

    done = up.run("simulate", "--seed", "5", "--events", "120", "--rate", "40", "--json")

    assert done.code == 0, done.out + done.err
    verdict = done.json
    assert verdict["as_expected"] is True
    assert verdict["wrong"] == []
    assert verdict["seed"] == 5
    assert sorted(verdict["sources"]) == sorted(SENDING)
    assert set(verdict["by_day"]) == set(Day)
    assert sum(verdict["by_day"].values()) == verdict["events"] == 120
    assert verdict["accepted"] > 0
    assert verdict["duplicate"] > 0
    assert {"bad_signature", "stale_timestamp", "expired_secret"} <= set(verdict["rejected"])
    stored = len(_events(up)) - before
    never = sum(verdict["by_day"][day] for day in ("stale", "forged"))
    assert verdict["accepted"] <= stored <= 120 + verdict["by_day"]["duplicates"] * 3 - never
    wait_until(lambda: {row["state"] for row in _events(up)} == {"dispatched"}, timeout=60)
    assert up.run("doctor").code == 0


def _events(up: Up) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = up.run("events", "list", "--limit", "1000", "--json").json
    return rows


def test_who_cannot_send_is_left_out_with_the_reason(up: Up) -> None:
    done = up.run("simulate", "--events", "5", "--day", "ordinary")

    assert done.code == 0, done.out
    assert "left out: source fal: fal.ai signs with keys that are fetched from" in done.out
    assert 'left out: source alike: with dedupe = "body"' in done.out
    assert done.out.splitlines()[-1] == "as expected"


def test_a_day_that_nobody_can_have_is_told(up: Up) -> None:
    done = up.run("simulate", "--source", "plain", "--day", "stale,forged")
    assert done.code == 2
    assert "stale: needs a source whose provider signs a time" in done.err

    some = up.run("simulate", "--source", "plain", "--day", "stale,ordinary", "--events", "3")
    assert some.code == 0
    assert "left out: day stale: needs a source whose provider signs a time" in some.out


def test_a_wrong_secret_is_not_as_expected(up: Up, tmp_path: Path) -> None:
    """As if the running pipeline had another file than the one that signs."""
    (folder_of(tmp_path) / "one").write_text("another secret")

    done = run(
        tmp_path,
        *("simulate", "--source", "stripe", "--events", "3", "--day", "ordinary"),
        *("--retry-seconds", "0.1"),
        settings={"HOOKKEEPER_PORT": str(up.port)},
    )

    assert done.code == 1, done.out
    assert "it was rejected as bad_signature, and is genuine" in done.out
    assert done.out.splitlines()[-1] == "NOT as expected: 3 events went wrong"


def test_another_pipelines_receiver_is_left_alone(up: Up, tmp_path: Path) -> None:
    config = folder_of(tmp_path) / "hookkeeper.toml"
    config.write_text(config.read_text().replace("[sources.slack]", "[sources.chat]"))

    done = run(tmp_path, "simulate", settings={"HOOKKEEPER_PORT": str(up.port)})

    assert done.code == 2
    assert "has no source 'chat'" in done.err
    assert "Nothing was sent." in done.err


@pytest.mark.parametrize("provider", ["twilio", "telnyx", "livekit", "highlevel", "plain"])
def test_what_has_no_samples_is_sent_as_its_entry_says(up: Up, provider: str) -> None:
    sent = up.run("send", provider, "--count", "2", "--json")

    assert sent.code == 0, sent.err
    assert [line["answer"]["status"] for line in sent.lines] == ["accepted", "accepted"]


def test_any_type_can_be_sent_where_there_are_no_samples(up: Up) -> None:
    sent = up.run("send", "twilio", "delivered", "--json")

    shown = up.run("events", "show", sent.json["answer"]["id"], "--json").json
    assert shown["event"]["type"] == "delivered"


def test_keys_that_are_fetched_cannot_be_sent_for(up: Up) -> None:
    done = up.run("send", "falai")

    assert done.code == 2
    assert "fal.ai signs with keys that are fetched from rest.alpha.fal.ai" in done.err
    assert "Nothing was sent." in done.err
    assert "hookkeeper send falai --new-key" in done.err


def test_a_source_that_believes_somebody_elses_key_says_what_to_do(up: Up, tmp_path: Path) -> None:
    """The pair is another one than that of the pipeline."""
    folder_of(tmp_path)
    public = up.folder / "data" / "keys" / "telnyx.pub"
    (tmp_path / "data" / "keys" / "telnyx.pub").write_bytes(public.read_bytes())

    done = run(tmp_path, "send", "telnyx", settings={"HOOKKEEPER_PORT": str(up.port)})

    assert done.code == 2
    assert "the private half is only Telnyx's" in done.err
    assert 'secrets = ["file:data/keys/telnyx.pub"]' in done.err


def test_samples_are_listed_without_a_pipeline(tmp_path: Path) -> None:
    every = run(tmp_path, "send", "--list", "--json").json
    assert "push" in every["github"]
    assert len(every) > 20
    one = run(tmp_path, "send", "stripe", "--list")
    assert "stripe\tinvoice.paid" in one.out
    none = run(tmp_path, "send", "twilio", "--list")
    assert none.code == 1
    assert "of any type: hookkeeper send twilio TYPE" in none.err


def test_a_key_pair_is_made_once_and_only_for_who_has_one(tmp_path: Path) -> None:
    made = run(tmp_path, "send", "telnyx", "--new-key")
    private = tmp_path / "data" / "keys" / "telnyx.pem"
    before = private.read_bytes()
    assert 'secrets = ["file:data/keys/telnyx.pub"]' in made.out
    assert private.stat().st_mode & 0o777 == 0o600
    assert run(tmp_path, "send", "telnyx", "--new-key").code == 0
    assert private.read_bytes() == before
    refused = run(tmp_path, "send", "github", "--new-key")
    assert (refused.code, "shared secret" in refused.err) == (1, True)
    unknown = run(tmp_path, "send", "telnix", "--new-key")
    assert (unknown.code, "telnyx" in unknown.err) == (2, True)


def test_nothing_is_sent_where_no_pipeline_runs(tmp_path: Path) -> None:
    folder_of(tmp_path)
    here = run(tmp_path, "simulate")
    assert here.code == 3
    assert "no pipeline runs in this folder" in here.err
    there = run(tmp_path, "simulate", settings={"HOOKKEEPER_PORT": str(free_port())})
    assert there.code == 3
    assert "nothing answers at" in there.err


def test_days_are_named_in_any_spelling_of_a_list() -> None:
    assert chosen_days([]) == tuple(Day)
    assert chosen_days(["burst, stale", "burst"]) == (Day.BURST, Day.STALE)


def test_an_unknown_day_or_source_names_those_there_are(tmp_path: Path) -> None:
    folder_of(tmp_path)
    settings = {"HOOKKEEPER_PORT": "1"}
    day = run(tmp_path, "simulate", "--day", "brust", settings=settings)
    assert (day.code, "burst" in day.err) == (2, True)
    source = run(tmp_path, "simulate", "--source", "strip", settings=settings)
    assert (source.code, "stripe" in source.err) == (2, True)
