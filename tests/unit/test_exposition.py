"""Metrics of many processes, most of them killed: counts never go back, files never pile up."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from actors.scheduler import told_depths
from ingest import exposition
from tests.services.ports import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]

#: Starts processes that count and then wait to be killed. It has imported what they need, so fifty
#: of them take a second; each prepares for itself, as a process that was started by command does.
NURSERY = """
import json, os, signal, sys, threading
from pathlib import Path
import prometheus_client
from ingest import exposition
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    directory, count, version = json.loads(line)
    if os.fork() == 0:
        break
assert exposition.prepare(Path(directory))
from ingest import metrics
for _ in range(count):
    metrics.RECEIVED.labels("github").inc()
    metrics.ACK_SECONDS.labels("github").observe(0.003)
metrics.IN_FLIGHT_BYTES.set(7)
metrics.BUILD_INFO.labels(version).set(1)
metrics.DEPTH.labels("deliver", "waiting").set(count)
print(os.getpid(), flush=True)
threading.Event().wait()
"""


class Nursery:
    """Starts real processes, and kills them with SIGKILL."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._living: set[int] = set()

    def start(self, directory: Path, count: int, version: str = "1") -> int:
        """Return the id of a process that has counted ``count`` requests and lives on."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(directory), count, version]) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        self._living.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), describe="the process to be gone")
        self._living.discard(pid)

    def close(self) -> None:
        for pid in set(self._living):
            self.kill(pid)
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with closing(Nursery()) as nursery:
        yield nursery


def samples(directory: Path) -> Samples:
    text = exposition.render(directory).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


GITHUB = (("source", "github"),)
RECEIVED = ("hookkeeper_received_total", GITHUB)
COUNT = ("hookkeeper_ack_seconds_count", GITHUB)
HALF = ("hookkeeper_ack_seconds_bucket", (("le", "0.005"), *GITHUB))
IN_FLIGHT = ("hookkeeper_in_flight_bytes", ())
DEPTH = ("hookkeeper_depth", (("queue", "deliver"), ("state", "waiting")))


def test_the_counts_of_all_processes_are_one(directory: Path, nursery: Nursery) -> None:
    nursery.start(directory, 3)
    nursery.start(directory, 4)
    seen = samples(directory)
    assert seen[RECEIVED] == seen[COUNT] == seen[HALF] == 7
    assert seen[IN_FLIGHT] == 14


def test_fifty_killed_processes_leave_their_counts_and_no_files(
    directory: Path, nursery: Nursery
) -> None:
    alive = nursery.start(directory, 1)
    expected, last = 1, 0.0
    for _ in range(10):
        batch = [nursery.start(directory, 2) for _ in range(5)]
        expected += 10
        before = samples(directory)
        for each in batch:
            nursery.kill(each)
        after = samples(directory)
        assert before[RECEIVED] == after[RECEIVED] == after[COUNT] == after[HALF] == expected
        assert after[RECEIVED] > last
        last = after[RECEIVED]
        assert after[IN_FLIGHT] == 7, "a gauge of the dead speaks for nobody"
        names = sorted(path.name for path in directory.iterdir())
        assert len(names) <= 10, names
    nursery.kill(alive)
    assert samples(directory)[RECEIVED] == expected


def test_a_running_version_is_announced_and_a_dead_one_is_not(
    directory: Path, nursery: Nursery
) -> None:
    old = nursery.start(directory, 1, "old")
    nursery.start(directory, 1, "new")
    nursery.kill(old)
    versions = [labels for name, labels in samples(directory) if name == "hookkeeper_build_info"]
    assert versions == [(("version", "new"),)]


def test_the_newest_word_about_the_database_survives_its_speaker(
    directory: Path, nursery: Nursery
) -> None:
    first = nursery.start(directory, 5)
    second = nursery.start(directory, 3)
    nursery.kill(second)
    assert samples(directory)[DEPTH] == 3
    nursery.kill(first)
    assert samples(directory)[DEPTH] == 3


def test_the_dead_are_not_believed_because_their_clock_was_ahead(
    directory: Path, nursery: Nursery
) -> None:
    """A scheduler one hour ahead dies, and what it counted last would stand for that hour."""
    dead = nursery.start(directory, 7)
    nursery.kill(dead)
    for path in directory.glob(f"gauge_mostrecent_{dead}-*.db"):
        file = MmapedDict(str(path))  # type: ignore[no-untyped-call]  # the library has no annotation there
        for key, value, said_at, _ in MmapedDict.read_all_values_from_file(path):  # type: ignore[no-untyped-call]  # the same
            file.write_value(key, value, said_at + 3_600)  # type: ignore[no-untyped-call]  # the same
        file.close()  # type: ignore[no-untyped-call]  # the same
    assert samples(directory)[DEPTH] == 7, "nobody knows better"
    nursery.start(directory, 3)
    assert samples(directory)[DEPTH] == 3


def test_a_new_scheduler_learns_which_depths_a_killed_one_has_told(
    directory: Path, nursery: Nursery
) -> None:
    assert told_depths(directory) == set()
    nursery.kill(nursery.start(directory, 8))

    assert told_depths(directory) == {("deliver", "waiting")}
    assert told_depths(directory / "missing") == set()


@pytest.mark.parametrize("cut", ["nothing deleted", "half deleted", "one type moved"])
def test_a_merge_that_was_killed_half_way_neither_loses_nor_doubles(
    directory: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """The state on disk after a SIGKILL between two steps of ``_finish``, which then runs again."""
    for _ in range(3):
        nursery.kill(nursery.start(directory, 2))
    monkeypatch.setattr(exposition, "_finish", lambda _directory: None)
    exposition.merge(directory)
    monkeypatch.undo()
    dead = sorted(directory.glob("*_*.db"))
    if cut != "nothing deleted":
        for path in dead[::2]:
            path.unlink()
    if cut == "one type moved":
        for path in dead[1::2]:
            path.unlink()
        (directory / "merged" / "counter_merged.db").rename(directory / "counter_merged.db")
    for _ in range(2):
        seen = samples(directory)
        assert seen[RECEIVED] == seen[COUNT] == 6


def test_a_merge_that_was_killed_before_its_commit_is_forgotten(
    directory: Path, nursery: Nursery
) -> None:
    nursery.kill(nursery.start(directory, 2))
    (directory / "merging").mkdir()
    (directory / "merging" / "counter_merged.db").write_bytes(b"half")
    assert samples(directory)[RECEIVED] == 2


def test_a_process_id_that_is_used_again_does_not_bring_the_dead_back(
    directory: Path, nursery: Nursery
) -> None:
    """Files are named by an identity that is never reused, and alive is who holds its lock."""
    living = nursery.start(directory, 2)
    dead = nursery.start(directory, 3)
    nursery.kill(dead)
    for path in directory.glob(f"*{dead}-*"):
        name = path.name.replace(str(dead), str(living))
        path.rename(directory / name)
    seen = samples(directory)
    assert seen[RECEIVED] == 5
    assert seen[IN_FLIGHT] == 7
    assert samples(directory)[RECEIVED] == 5


def test_a_file_that_was_never_written_is_no_harm(directory: Path, nursery: Nursery) -> None:
    nursery.start(directory, 2)
    (directory / "counter_99999999-0badf00d.db").touch()
    assert samples(directory)[RECEIVED] == 2


def test_reading_and_merging_at_once_never_shows_a_count_go_back(
    directory: Path, nursery: Nursery
) -> None:
    nursery.start(directory, 1)
    went_back: list[tuple[float, float]] = []
    finished = threading.Event()

    def watch() -> None:
        last = 0.0
        while not finished.is_set():
            now = samples(directory)[RECEIVED]
            if now < last:
                went_back.append((last, now))
            last = now

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for _ in range(5):
        nursery.kill(nursery.start(directory, 2))
        exposition.merge(directory)
    finished.set()
    for watcher in watchers:
        watcher.join()
    assert went_back == []
    assert samples(directory)[RECEIVED] == 11


def test_whoever_binds_the_port_serves_and_another_takes_over(
    directory: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "RETRY_SECONDS", 0.05)
    nursery.start(directory, 2)
    port = free_port()
    first = exposition.serve("127.0.0.1", port, directory)
    wait_until(lambda: first.port == port, describe="the port")
    with capture_logs() as logs:
        second = exposition.serve("127.0.0.1", port, directory)
        wait_until(lambda: logs, describe="the other to say that it stands by")
    assert (logs[0]["log_level"], logs[0]["port"]) == ("info", port)
    url = f"http://127.0.0.1:{port}"
    with closing(httpx.Client(base_url=url)) as client:
        assert 'hookkeeper_received_total{source="github"} 2.0' in client.get("/metrics").text
        assert client.get("/").status_code == 404
    assert second.port is None
    first.stop()
    wait_until(lambda: second.port == port, describe="the other to take over")
    assert "hookkeeper_received_total" in httpx.get(f"{url}/metrics").text
    second.stop()


def test_files_do_not_pile_up_where_nobody_scrapes(
    directory: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "RETRY_SECONDS", 0.05)
    nursery.kill(nursery.start(directory, 2))
    server = exposition.serve("127.0.0.1", 0, directory)
    wait_until(lambda: not list(directory.glob("*-*.db")), describe="the dead to be merged")
    server.stop()
    assert samples(directory)[RECEIVED] == 2


def test_every_metric_follows_the_rules_of_prometheus(directory: Path, nursery: Nursery) -> None:
    """What ``promtool check metrics`` asks for: help, a unit, _total on counters and only there."""
    nursery.start(directory, 1)
    text = exposition.render(directory).decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("hookkeeper_"), family.name
        assert family.documentation.endswith("."), family.name
        assert "milliseconds" not in family.name
        totals = {sample.name.endswith("_total") for sample in family.samples}
        assert totals <= {family.type == "counter"}, family.name


def test_gauges_speak_for_the_living_or_for_the_newest() -> None:
    """Other modes add a label for each process, and would leave the dead in for ever."""
    from prometheus_client import REGISTRY, Gauge  # noqa: PLC0415 - see ingest/exposition.py

    from ingest import metrics  # noqa: PLC0415 - likewise

    assert REGISTRY
    gauges = [one for one in vars(metrics).values() if isinstance(one, Gauge)]
    assert gauges
    assert {one._multiprocess_mode for one in gauges} <= {"mostrecent", "livesum", "livemax"}


def test_a_directory_that_cannot_be_written_is_no_reason_not_to_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    script = (
        "import sys; from pathlib import Path; from ingest import exposition;"
        "assert not exposition.prepare(Path(sys.argv[1]));"
        "from ingest import metrics; metrics.RECEIVED.labels('x').inc()"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path / "file" / "metrics")]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_forked_child_counts_for_itself(directory: Path) -> None:
    """Nothing of ours forks, but libraries do; sharing the parent's file would lose counts."""
    script = (
        "import os, sys; from pathlib import Path; from ingest import exposition;"
        "assert exposition.prepare(Path(sys.argv[1]));"
        "from ingest import metrics; count = metrics.RECEIVED.labels('github'); count.inc();"
        "child = os.fork(); [count.inc() for _ in range(3)]; child and os.waitpid(child, 0)"
    )
    subprocess.run([sys.executable, "-c", script, str(directory)], cwd=ROOT, check=True)
    assert samples(directory)[RECEIVED] == 7
