"""``hookkeeper up`` from nothing: a demo, a private Redis, and an event end to end."""

import json
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.cli.running import Up, running
from tests.services.ports import free_port
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("up")) as started:
        yield started


def test_what_it_says_is_enough_to_try_it(up: Up) -> None:
    address = f"http://127.0.0.1:{up.port}"

    assert f"receiver   {address}" in up.said
    assert f"{address}/in/github  (github)" in up.said
    assert f"http://127.0.0.1:{up.settings['HOOKKEEPER_METRICS_PORT']}/metrics" in up.said
    assert "events are deleted 90 days after receipt" in up.said
    assert "send github push" in up.said
    assert "events list" in up.said


def test_the_demo_is_private_and_its_secrets_are_its_own(up: Up) -> None:
    secrets = list((up.folder / "data" / "secrets").iterdir())

    assert (up.folder / "hookkeeper.toml").exists()
    assert len({path.read_text() for path in secrets}) == len(secrets) > 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE((up.folder / "data").stat().st_mode) == 0o700


def test_a_sample_is_accepted_listed_and_delivered(up: Up) -> None:
    sent = up.run("send", "github", "push", "--json")

    assert sent.code == 0
    assert sent.json["status"] == 202
    event_id = sent.json["answer"]["id"]
    assert event_id in [row["id"] for row in up.run("events", "list", "--json").json]
    wait_until(lambda: "-> ingest.demo.show (python): succeeded" in _shown(up, event_id))


def _shown(up: Up, event_id: str) -> str:
    return up.run("events", "show", event_id).out


@pytest.mark.parametrize("provider", ["github", "stripe", "shopify"])
def test_samples_can_be_sent_again_and_again(up: Up, provider: str) -> None:
    sent = up.run("send", provider, "--count", "3", "--json")

    assert [line["status"] for line in sent.lines] == [202, 202, 202]


def test_a_file_of_ones_own_is_sent_byte_for_byte(up: Up) -> None:
    body = b'{"type": "made.up",\r\n "id": "\xff"}'
    (up.folder / "own").write_bytes(body)

    sent = up.run("send", "acme", "--body", "own", "--json")

    shown = run(up.folder, "events", "show", sent.json["answer"]["id"], "--body")
    assert shown.raw == body


def test_an_unknown_sample_names_those_there_are(up: Up) -> None:
    done = up.run("send", "github", "psh")

    assert done.code == 2
    assert "push" in done.err


def test_a_wrong_signature_is_a_failed_send(up: Up) -> None:
    """The answer of another source, whose secret did not sign it."""
    url = f"http://127.0.0.1:{up.port}/in/stripe"

    done = up.run("send", "github", "push", "--url", url)

    assert done.code == 1
    assert "401" in done.out


def test_metrics_are_where_it_says(up: Up) -> None:
    url = f"http://127.0.0.1:{up.settings['HOOKKEEPER_METRICS_PORT']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert b"hookkeeper_" in answer.read()


def test_a_second_one_in_the_folder_is_refused(up: Up) -> None:
    done = run(up.folder, "up", settings={"HOOKKEEPER_PORT": str(free_port())})

    assert done.code == 1
    assert f"(process {up.process.pid})" in done.err
    assert up.process.poll() is None


PORTS = ("HOOKKEEPER_PORT", "HOOKKEEPER_METRICS_PORT", "HOOKKEEPER_CONSOLE_PORT")


@pytest.mark.parametrize("which", PORTS)
def test_a_taken_port_is_named_and_never_moved(up: Up, tmp_path: Path, which: str) -> None:
    free = {name: str(free_port()) for name in PORTS}

    done = run(tmp_path, "up", settings={**free, which: up.settings[which]})

    assert done.code == 2
    assert f"port {up.settings[which]} " in done.err
    assert "(process " in done.err
    assert which in done.err
    assert "Traceback" not in done.err


def test_doctor_finds_everything_well(up: Up) -> None:
    done = up.run("doctor", "--json")

    assert done.code == 0, done.out
    checks = {check["name"]: check["level"] for check in done.json["checks"]}
    assert done.json["ok"] is True
    for name in ("settings", "database", "durability", "migrations", "workers", "scheduler"):
        assert checks[name] == "ok"
    for name in ("ledger", "jobs", "failed jobs", "broker", "console"):
        assert checks[name] == "ok"


def test_logs_are_json_lines_beside_the_banner(up: Up) -> None:
    lines = [line for line in up.said.splitlines() if line.startswith("{")]

    assert {json.loads(line)["event"] for line in lines} >= {"process.started", "receiver.started"}
