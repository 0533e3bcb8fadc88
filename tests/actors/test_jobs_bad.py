"""Jobs that exit, are killed, eat memory or hang: what becomes of them, and of their neighbours.

Each story has a job and a delivery at work in the same process when it happens. In real processes;
deliveries that are as bad have theirs in test_processes.py and test_children.py.
"""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.events import DeliveryState
from ingest.jobs.states import JobState
from ingest.queue import WakeBroker, build_broker, publish_deliveries
from ingest.store import ledger
from ingest.store.job_rows import JobRow
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.store.making import end_leases, one
from tests.waiting import wait_until

#: The patience of the processes is shortened; nothing else is.
CODE = """
import ctypes, signal
from actors import children
from actors.middleware import watch
children.GRACE_SECONDS = 1.0
watch.STALL_SECONDS = 3.0

@job(max_retries=0)
def exits(context): os._exit(13)
@job(max_retries=0)
def is_killed(context): os.kill(os.getpid(), signal.SIGKILL)  # as by the kernel, out of memory
@job(max_retries=0, time_limit=1)
def hangs(context): ctypes.PyDLL(None).sleep(300)  # holds the interpreter lock: no Python runs
@job(max_retries=0)
def eats(context):
    hoard = []
    while True: hoard.append(bytearray(64 << 20))

@job()
def job_beside(context): note("job", "x"); wait((HERE / "end").exists)
@on("github", name="delivery_beside")
def delivery_beside(event): note("delivery", "x"); wait((HERE / "end").exists)
"""
SPARE_BYTES = 1 << 30


@pytest.fixture
def rigged(sqlite_rig: Rig) -> JobRig:
    made = JobRig(sqlite_rig)
    made.write(CODE)
    made.rig.start("actors.scheduler")
    return made


@pytest.fixture
def broker(rigged: JobRig) -> Iterator[WakeBroker]:
    made = build_broker(rigged.rig.environ["HOOKKEEPER_BROKER_URL"], [])
    yield made
    made.client.connection_pool.disconnect()


class Neighbours:
    """A job and a delivery that are at work in the only worker."""

    def __init__(self, rigged: JobRig, broker: WakeBroker) -> None:
        self._rigged = rigged
        self._job = rigged.run(broker, "job_beside")
        self._event = rigged.rig.store()
        publish_deliveries(broker, rigged.rig.dispatch(self._event))
        wait_until(lambda: rigged.notes("job") and rigged.notes("delivery"), timeout=20)

    def come_to_their_end(self) -> tuple[JobRow, int]:
        """Let them end, well; the job, and how often the delivery crashed."""
        (self._rigged.rig.folder / "end").touch()
        job = self._rigged.wait_for(self._job, JobState.SUCCESS, timeout=60)
        delivery = self._rigged.rig.wait_for(self._event, DeliveryState.SUCCEEDED, timeout=60)
        return job, delivery.crashes


def quarantined(rigged: JobRig, job_id: str) -> JobRow:
    ended = rigged.wait_for(job_id, JobState.FAILURE, timeout=60)
    assert (ended.error_code, ended.crashes, ended.attempts) == ("quarantined", 3, 0)
    return ended


def ends_its_worker(rigged: JobRig, broker: WakeBroker, bad: str) -> JobRow:
    """Run a bad job until it is quarantined, and see that its neighbours were started anew."""
    worker = rigged.rig.dramatiq(threads=8)
    neighbours = Neighbours(rigged, broker)

    job_id = rigged.run(broker, bad)
    assert worker.wait(30) != 0, "it took its worker with it"
    end_leases(rigged.database)
    other = rigged.rig.dramatiq(threads=8)  # as a supervisor does
    job, crashes = neighbours.come_to_their_end()
    ended = quarantined(rigged, job_id)

    assert (job.crashes, crashes) == (1, 1), "they crashed with it, once, and ran alone"
    assert other.poll() is None, "alone, it hurt nobody but itself"
    assert set(ledger.violations(rigged.database).values()) == {0}
    return ended


def test_a_job_that_exits_its_process_is_quarantined_and_its_neighbours_go_on(
    rigged: JobRig, broker: WakeBroker
) -> None:
    ended = ends_its_worker(rigged, broker, "exits")
    assert "exit status 13" in (ended.error_message or "")


def test_a_job_whose_process_the_kernel_kills_is_quarantined_and_its_neighbours_go_on(
    rigged: JobRig, broker: WakeBroker
) -> None:
    ended = ends_its_worker(rigged, broker, "is_killed")
    assert "SIGKILL" in (ended.error_message or "")


def test_a_job_that_hangs_in_c_is_quarantined_and_its_neighbours_go_on(
    rigged: JobRig, broker: WakeBroker
) -> None:
    """No Python runs, so only a watchdog in C ends the worker; a child is killed by its parent."""
    ended = ends_its_worker(rigged, broker, "hangs")
    assert "limit of 1 s" in (ended.error_message or "")


def test_a_job_that_eats_all_the_memory_there_is_fails_and_its_neighbours_go_on(
    rigged: JobRig, broker: WakeBroker
) -> None:
    """Where the process may have so much and no more: what is refused is the job's own."""
    worker = rigged.rig.dramatiq(threads=8)
    neighbours = Neighbours(rigged, broker)
    pid = one(rigged.database, "SELECT pid FROM workers")
    limit = address_space(pid) + SPARE_BYTES
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))

    ended = rigged.wait_for(rigged.run(broker, "eats"), JobState.FAILURE, timeout=30)
    job, crashes = neighbours.come_to_their_end()

    assert (ended.error_code, ended.crashes) == ("job_error", 0)
    assert "MemoryError" in (ended.error_message or "")
    assert (job.crashes, crashes) == (0, 0)
    assert worker.poll() is None


def address_space(pid: int) -> int:
    """How many bytes a process has mapped."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()
