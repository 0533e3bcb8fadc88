"""What a benchmark says of its machine, its processes and its request."""

import hashlib
import hmac
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.bench import request
from ops.bench.load import parse
from ops.bench.machine import PEERS, file_system, machine, pinned, versions
from ops.bench.processes import Guard, Process, cpu_seconds, family
from ops.bench.provenance import commit_of
from ops.bench.spending import core_ticks, role_of, seconds_by_role
from tests.waiting import wait_until

BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_the_request_is_a_real_event_of_about_2_kb_with_a_valid_signature() -> None:
    event = request.github_event()
    signature = hmac.new(request.SECRET, event.body, hashlib.sha256).hexdigest()
    head, _, body = request.template("http://127.0.0.1:80/in/github").partition(b"\r\n\r\n")

    assert 1_900 < len(event.body) < 2_200
    assert body == event.body
    assert f"X-Hub-Signature-256: sha256={signature}".encode() in head
    assert head.count(request.DELIVERY) == 1


def test_what_wrk_answers_is_split_into_acknowledged_and_failed() -> None:
    said = (
        '{"requests":100,"microseconds":2000000,"status":30,'
        '"connect":1,"read":2,"write":4,"timeout":8}'
    )
    load = parse(f"Running 2s test\nRESULT {said}\n")

    assert (load.acknowledged, load.refused, load.broken, load.late) == (70, 30, 7, 8)
    assert (load.failures, load.seconds) == (45, 2.0)


def test_a_wrk_that_printed_no_result_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        parse("", "unable to connect")


def test_the_file_system_is_the_innermost_that_holds_the_folder() -> None:
    mounts = "/dev/a / ext4 rw 0 0\ntmpfs /var/tmp tmpfs rw 0 0\n"

    assert file_system(Path("/var/tmp/x"), mounts) == "tmpfs"
    assert file_system(Path("/var/tmpx"), mounts) == "ext4"


def test_a_tree_that_differs_from_its_commit_says_so() -> None:
    assert commit_of("73fec94\n", "") == "73fec94"
    assert commit_of("73fec94\n", " M ingest/writer/room.py\n") == "73fec94+changes"


def test_the_machine_is_described_without_its_name_or_its_folders(tmp_path: Path) -> None:
    said = str(machine(tmp_path))

    assert os.uname().nodename not in said
    assert str(tmp_path) not in said
    assert "'cores': " in said


def test_every_peer_is_pinned_to_the_last_package() -> None:
    for path in PEERS.glob("*.txt"):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert len(pinned(lines)) == len(lines)
    assert {path.stem for path in PEERS.glob("*.txt")} == {p.stem for p in PEERS.glob("*.py")}


def test_the_versions_of_the_peers_are_the_ones_that_were_asked_for() -> None:
    said = versions()

    assert said["peer fastapi_arq"].startswith("fastapi 0.")
    assert "arq 0." in said["peer fastapi_arq"]
    assert "h11" not in said["peer fastapi_arq"]


def test_the_cpu_time_of_children_counts_also_when_they_have_ended() -> None:
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\ninput()"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: cpu_seconds([process.pid]) >= 0.3, timeout=30)
        wait_until(lambda: family([process.pid]) == [process.pid], timeout=30)
        assert cpu_seconds([process.pid]) >= 0.3
    finally:
        process.communicate(b"\n")


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("/x/python /x/bin/hookkeeper web", "web"),
        ("/x/python -m ingest.writer 4", "writer"),
        ("/x/python -m dramatiq actors --processes 1", "worker"),
        ("/x/python -m actors.scheduler", "scheduler"),
        ("/x/python -m dramatiq ops.bench.noop_dramatiq", "dramatiq"),
        ("/usr/bin/redis-server 127.0.0.1:21686", "redis"),
        ("postgres: walwriter", "postgresql"),
        ("/x/python -m uvicorn --loop uvloop ops.bench.bare:app", "server"),
        ("/bin/sh -c true", ""),
    ],
)
def test_a_process_is_named_by_its_command(command: str, role: str) -> None:
    assert role_of(command) == role


def test_a_process_of_no_name_counts_as_what_started_it() -> None:
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\ninput()"
    command = [sys.executable, "-c", script, "/hookkeeper worker"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        wait_until(lambda: seconds_by_role([process.pid])["worker"] >= 0.3, timeout=30)
        assert list(seconds_by_role([process.pid])) == ["worker"]
    finally:
        process.communicate(b"\n")


def test_a_core_that_waits_for_a_disk_is_not_busy() -> None:
    stat = "cpu  10 1 20 1000 500 3 4 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"

    assert core_ticks(stat) == (43, 1_543)


def test_a_guard_kills_the_children_of_what_a_killed_benchmark_left(tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    guard = Guard(home)
    script = "import subprocess\nsubprocess.run(['tail', '-f', '/dev/null'])"
    process = Process(guard, [sys.executable, "-c", script], log=log, folder=tmp_path)
    wait_until(lambda: len(family([process.pid])) == 2)
    child = family([process.pid])[1]

    guard.dismiss()  # as the end of its standard input does

    assert process.wait(10) == -9
    wait_until(lambda: not family([child]), describe="the child to be gone")
    assert not home.exists()


def test_a_process_that_ended_in_order_is_no_longer_watched(tmp_path: Path) -> None:
    guard = Guard(tmp_path / "home")
    with Process(guard, ["true"], log=tmp_path / "log", folder=tmp_path) as process:
        assert process.wait(10) == 0
    with Process(
        guard, ["tail", "-f", "/dev/null"], log=tmp_path / "log", folder=tmp_path
    ) as next_:
        pass

    assert next_.status == -15
    guard.dismiss()
