"""Suspects, alone in a child: whatever they do to it is their outcome, and nobody else's."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.children import Children
from ingest.events import AttemptOutcome, AttemptResult, DestinationKind
from tests.actors.making import claimed
from tests.actors.rig import PROJECT, Rig
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until

SUCCEEDED, RETRYABLE = AttemptOutcome.SUCCEEDED, AttemptOutcome.RETRYABLE
CRASHED, TIMED_OUT = AttemptOutcome.CRASHED, AttemptOutcome.TIMED_OUT

Run = Callable[..., AttemptResult]

HANDLERS = r"""
import ctypes, resource

def on_github(name, **options):
    return on("github", name=name, **options)

@on_github("fine")
def fine(event: Event) -> None:
    note("fine", event)

@on_github("asynchronous")
async def asynchronous(event: Event) -> None:
    await asyncio.sleep(0)
    note("fine", event)

@on_github("raises")
def raises(event: Event) -> None:
    raise ValueError("not today")

@on_github("refuses")
def refuses(event: Event) -> None:
    raise Permanent("never")

@on_github("exits")
def exits(event: Event) -> None:
    os._exit(13)

@on_github("quits")
def quits(event: Event) -> None:
    sys.exit(3)

@on_github("segfaults")
def segfaults(event: Event) -> None:
    ctypes.string_at(0)

@on_github("loops", time_limit=0.5)
def loops(event: Event) -> None:
    while True:
        pass

@on_github("waits", time_limit=0.5)
async def waits(event: Event) -> None:
    await asyncio.sleep(60)

@on_github("stuck", time_limit=0.5)
def stuck(event: Event) -> None:
    note("stuck", event)
    ctypes.PyDLL(None).sleep(300)  # holds the interpreter lock: no Python runs meanwhile

@on_github("eats")
def eats(event: Event) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    hoard = []
    while True:
        hoard.append(bytearray(64 << 20))

@on_github("prints")
def prints(event: Event) -> None:
    print('{"outcome": "permanent"}')
    os.write(1, b"garbage\n")
    assert sys.stdin.read() == ""

@on_github("forks")
def forks(event: Event) -> None:
    if os.fork() == 0:
        time.sleep(5)
        os._exit(0)
    os._exit(9)

@on_github("body")
def body(event: Event) -> None:
    (HERE / "body").write_bytes(event.body)
    assert event.headers == (("X-A", "1"), ("X-A", "2")), event.headers
    assert event.json is not None
"""


@pytest.fixture
def children(sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    sqlite_rig.handlers(HANDLERS)
    for name, value in sqlite_rig.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    made = Children(folder=sqlite_rig.folder)
    yield made
    made.close()


@pytest.fixture
def run(children: Children) -> Run:
    def run_alone(destination: str, limit_seconds: float = 20.0) -> AttemptResult:
        return children.run(claimed(destination, crashes=1), limit_seconds)

    return run_alone


@pytest.mark.parametrize("name", ["fine", "asynchronous"])
def test_an_innocent_suspect_succeeds(sqlite_rig: Rig, run: Run, name: str) -> None:
    assert run(name).outcome is SUCCEEDED
    ((_, pid),) = sqlite_rig.notes("fine")
    assert pid != os.getpid()


def test_exceptions_are_ordinary_outcomes(run: Run) -> None:
    raised = run("raises")

    assert (raised.outcome, raised.code) == (RETRYABLE, "handler_error")
    assert raised.message.startswith("ValueError: not today")
    assert run("refuses").outcome is AttemptOutcome.PERMANENT
    assert run("quits").code == "handler_error", "sys.exit() is an exception like any other"


def test_a_process_that_ends_is_a_crash_with_its_status(run: Run) -> None:
    assert (run("exits").outcome, run("exits").code) == (CRASHED, "exit_13")


def test_a_segmentation_fault_is_a_crash_with_its_signal(run: Run) -> None:
    assert (run("segfaults").outcome, run("segfaults").code) == (CRASHED, "sigsegv")


@pytest.mark.parametrize("name", ["loops", "waits"])
def test_a_handler_over_its_limit_is_stopped_inside_the_child(run: Run, name: str) -> None:
    assert run(name, 0.5).outcome is TIMED_OUT


def test_a_handler_that_cannot_be_interrupted_is_killed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.children.GRACE_SECONDS", 1.0)

    result = run("stuck", 0.5)

    assert (result.outcome, result.code) == (CRASHED, "killed_at_limit")


def test_a_handler_that_eats_memory_hits_its_own_bound(run: Run) -> None:
    result = run("eats")

    assert (result.outcome, result.message[:11]) == (RETRYABLE, "MemoryError")


def test_what_a_handler_prints_is_no_answer_and_it_reads_nothing(run: Run) -> None:
    assert run("prints").outcome is SUCCEEDED


def test_a_forked_grandchild_does_not_hide_the_end(run: Run) -> None:
    assert run("forks").code == "exit_9"


def test_an_event_arrives_whole(sqlite_rig: Rig, children: Children) -> None:
    body = bytes(range(256)) * 20_000
    suspect = claimed("body", crashes=1)
    event = replace(suspect.event, body=body, headers=(("X-A", "1"), ("X-A", "2")))

    result = children.run(replace(suspect, event=event), 20)

    assert result.outcome is SUCCEEDED, result
    assert (sqlite_rig.folder / "body").read_bytes() == body


def test_an_http_delivery_runs_alone_too(sqlite_rig: Rig, children: Children, sink: Sink) -> None:
    sqlite_rig.config(
        f'[destinations.billing]\nurl = "{sink.url("/in")}"\nallow = ["127.0.0.0/8"]\n'
    )
    suspect = replace(claimed("billing", crashes=1), kind=DestinationKind.HTTP)
    sink.script("/in", Answer(503, (("Retry-After", "3"),)), Answer(200))

    first, second = children.run(suspect, 15), children.run(suspect, 15)

    assert (first.outcome, first.status, first.retry_after_ms) == (RETRYABLE, 503, 3_000)
    assert second.outcome is SUCCEEDED


def test_a_child_is_used_again_after_a_success_only(sqlite_rig: Rig, run: Run) -> None:
    for name in ("fine", "fine", "raises", "fine"):
        run(name)

    first, second, third = (pid for _, pid in sqlite_rig.notes("fine"))
    assert first == second
    assert third != second


def test_a_configuration_that_does_not_load_is_nobodys_crash(sqlite_rig: Rig, run: Run) -> None:
    """The worker goes on with the file as it was; a child can only start with what is there."""
    sqlite_rig.config("[[nonsense")

    result = run("fine")

    assert (result.outcome, result.code) == (RETRYABLE, "child_not_started")


def test_a_handler_that_is_gone_is_said(run: Run) -> None:
    assert run("gone").code == "unknown_handler"


def test_a_child_leaves_when_its_worker_is_killed(
    sqlite_rig: Rig,
    children: Children,  # noqa: ARG001 - sets the environment
) -> None:
    """Whatever it is doing: a job that goes on after its lease ended would run twice at once."""
    script = (
        "from pathlib import Path\n"
        "from actors.children import Children\n"
        "from tests.actors.making import claimed\n"
        "Children(folder=Path.cwd()).run(claimed('slow', crashes=1), 60)\n"
    )
    sqlite_rig.handlers("""
@on("github", name="slow")
def slow(event: Event) -> None:
    note("slow", event)
    time.sleep(60)
""")
    worker = subprocess.Popen([sys.executable, "-c", script], cwd=sqlite_rig.folder)
    ((_, child),) = wait_until(lambda: sqlite_rig.notes("slow"), timeout=30)

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    wait_until(lambda: not Path(f"/proc/{child}").exists(), describe="the child to leave")
