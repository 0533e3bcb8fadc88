"""``hookkeeper up`` runs the console, says where it is, and keeps it running."""

import json
import os
import signal
import stat
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.cli.running import Up, running
from tests.waiting import wait_until

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("console")) as started:
        yield started


def token(up: Up) -> str:
    return (up.folder / "data" / "console.token").read_text().strip()


def asked(up: Up, path: str) -> Any:
    address = f"http://127.0.0.1:{up.settings['HOOKKEEPER_CONSOLE_PORT']}/api/v1/{path}"
    answer = httpx.get(address, headers={"authorization": f"Bearer {token(up)}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_banner_says_where_it_is_and_where_its_token(up: Up) -> None:
    port = up.settings["HOOKKEEPER_CONSOLE_PORT"]

    assert f"console    http://127.0.0.1:{port}/api/v1  (token: file:data/console.token)" in up.said
    assert stat.S_IMODE((up.folder / "data" / "console.token").stat().st_mode) == 0o600
    assert token(up) not in up.said


def test_commands_of_the_folder_find_it(up: Up) -> None:
    whereabouts = json.loads((up.folder / "data" / "run.json").read_text())

    assert whereabouts["console_port"] == up.settings["HOOKKEEPER_CONSOLE_PORT"]


def test_what_was_sent_is_shown_with_its_delivery(up: Up) -> None:
    event_id = up.run("send", "github", "push", "--json").json["answer"]["id"]

    def states() -> set[str]:
        return {item["state"] for item in asked(up, f"deliveries?event_id={event_id}")["items"]}

    wait_until(lambda: states() == {"succeeded"}, timeout=30, describe="its delivery")
    assert asked(up, f"events/{event_id}")["type"] == "push"


def test_a_killed_console_is_started_again_on_its_socket(up: Up) -> None:
    """A request waits in the backlog of the supervisor's socket for the next life."""
    os.kill(up.pids("console")[-1], signal.SIGKILL)

    assert asked(up, "events?limit=1")["items"] is not None
    assert len(up.pids("console")) == 2
