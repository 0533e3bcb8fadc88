"""How a receiver starts and stops: its early writer, and the connection just being accepted."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.lifespan.off import LifespanOff

from ingest.cli.serving import Announcing
from ingest.testing import make_webhook
from tests.cli.command import argv, environ, run
from tests.services.ports import free_port
from tests.waiting import wait_until


class Late:
    """Stands in for a connection of which the server learns after it began to stop."""

    def __init__(self, server: Announcing) -> None:
        self._open: set[Any] = server.server_state.connections
        self.told = 0

    def made(self) -> None:
        self._open.add(self)

    def shutdown(self) -> None:
        self.told += 1
        self._open.discard(self)


@pytest.mark.anyio
async def test_a_connection_that_was_being_accepted_is_told_of_the_stop() -> None:
    config = uvicorn.Config(
        "unused:app", lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = Announcing(config, None)
    server.lifespan = LifespanOff(config)
    server.servers = []
    late = Late(server)
    asyncio.get_running_loop().call_soon(late.made)  # after the server has told all that it knew
    await server.shutdown()
    assert late.told == 1


def test_a_receiver_with_a_mistake_in_its_configuration_leaves_no_writer(tmp_path: Path) -> None:
    """Its writer is started before the file is read, and nobody else would end it."""
    (tmp_path / "hookkeeper.toml").write_text('[sources.github]\nprovidr = "none"\n')

    done = run(tmp_path, "web", settings={"HOOKKEEPER_PORT": str(free_port())})

    assert done.code == 2
    assert 'did you mean "provider"?' in done.err
    wait_until(lambda: processes_in(tmp_path) == [], describe="no process in its folder")


def test_a_receiver_on_any_free_port_knows_which_one_its_senders_sign(tmp_path: Path) -> None:
    """Providers that sign URLs sign the port, too."""
    (tmp_path / "hookkeeper.toml").write_text(
        '[sources.calls]\nprovider = "twilio"\nsecrets = ["env:TOKEN"]\n'
    )
    token = "12345678901234567890123456789012"
    settings = {"HOOKKEEPER_PORT": "0", "HOOKKEEPER_METRICS_PORT": "0", "TOKEN": token}
    assert run(tmp_path, "migrate").code == 0
    with subprocess.Popen(
        argv("web"), cwd=tmp_path, env=environ(**settings), stdout=subprocess.PIPE
    ) as web:
        assert web.stdout is not None
        port = next(
            said["port"]
            for said in map(json.loads, web.stdout)
            if said["event"] == "receiver.listening"
        )
        call = make_webhook(
            "twilio", secret=token, source="calls", public_url=f"http://127.0.0.1:{port}"
        )
        url = f"http://127.0.0.1:{port}{call.path}"
        answer = httpx.post(url, content=call.body, headers=call.headers, timeout=30)
        web.terminate()
        web.stdout.read()
    assert answer.status_code == 200, answer.text


def processes_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # it has ended
    return found
