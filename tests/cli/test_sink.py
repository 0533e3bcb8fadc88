"""``hookkeeper sink``: a destination for trying things out."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.command import argv, environ, run
from tests.cli.running import running
from tests.services.ports import free_port
from tests.waiting import wait_until


class Sink:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.url = str(self.line()["listening"])

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        printed: dict[str, Any] = json.loads(self.process.stdout.readline())
        return printed

    def post(self, body: bytes = b"{}") -> int:
        request = urllib.request.Request(
            f"{self.url}/hooks", body, {"webhook-id": "evt_1", "content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@contextmanager
def sinking(folder: Path, *arguments: str) -> Iterator[Sink]:
    process = subprocess.Popen(
        argv("sink", "--port", "0", "--json", *arguments),
        cwd=folder,
        env=environ(),
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            yield Sink(process)
        finally:
            process.send_signal(signal.SIGINT)


def test_a_delivery_is_printed_with_its_id_and_body(tmp_path: Path) -> None:
    with sinking(tmp_path) as sink:
        assert sink.post(b'{"a": 1}') == 200
        printed = sink.line()

    assert printed["id"] == "evt_1"
    assert printed["path"] == "/hooks"
    assert printed["body"] == '{"a": 1}'
    assert printed["answered"] == 200
    assert sink.process.returncode == 0


def test_it_fails_as_often_as_it_is_told(tmp_path: Path) -> None:
    with sinking(tmp_path, "--fail", "2", "--status", "204") as sink:
        assert [sink.post() for _ in range(4)] == [500, 500, 204, 204]


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with sinking(tmp_path) as sink:
        port = sink.url.rpartition(":")[2]
        done = run(tmp_path, "sink", "--port", port)

    assert done.code == 2
    assert f"port {port} " in done.err


CONFIG = """
[sources.open]
provider = "none"

[destinations.sink]
url = "{url}/hooks"
allow = ["127.0.0.0/8"]
retry = {{ base = "1s", cap = "1s", attempts = 5 }}

[[routes]]
source = "open"
to = ["sink"]
"""


def test_a_real_pipeline_delivers_to_it_and_tries_again_when_it_fails(tmp_path: Path) -> None:
    with sinking(tmp_path, "--fail", "1") as sink:
        (tmp_path / "hookkeeper.toml").write_text(CONFIG.format(url=sink.url))
        (tmp_path / "own").write_bytes(b'{"n": 1}')
        with running(tmp_path, {"HOOKKEEPER_PORT": str(free_port())}) as up:
            sent = up.run("send", "open", "--body", "own", "--json")
            event_id = sent.json["answer"]["id"]
            deliveries = [sink.line(), sink.line()]
            wait_until(lambda: "succeeded 200" in up.run("events", "show", event_id).out)

    assert [line["answered"] for line in deliveries] == [500, 200]
    assert {line["id"] for line in deliveries} == {event_id}
    assert {line["body"] for line in deliveries} == {'{"n": 1}'}
