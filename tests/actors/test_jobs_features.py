"""What ARQ, Celery and RQ give: a test for each row of the feature table (research/jobs.md §4).

In its order. Rows about processes that die are in test_jobs_killed.py, long jobs beside other work
in test_jobs_threads.py.
"""

import json
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from ingest.jobs.states import JobState, Progress
from ingest.jobs.workflow import chain, chord, group
from ingest.queue import publish_jobs
from ingest.store import jobs
from tests.actors.job_rig import JobRig
from tests.actors.rig import PROJECT, Rig
from tests.services.sink import Sink
from tests.store.making import execute, rows
from tests.waiting import wait_until


@pytest.fixture
def rigged(sqlite_rig: Rig) -> JobRig:
    return JobRig(sqlite_rig)


def test_worker_startup_and_shutdown_with_a_shared_database_and_http_client(
    rigged: JobRig, sink: Sink
) -> None:
    """One client, and so one connection, for all jobs of the process; closed after the last."""
    rigged.write("""
import httpx
@on_startup
def first(resources): resources["seen"] = ["first"]; note("order", "up")
@on_startup
async def connect(resources):
    resources["http"] = httpx.AsyncClient(trust_env=False); resources["seen"].append("second")
@on_shutdown
async def hang_up(resources): await resources["http"].aclose(); note("order", "client_is_shut")
@on_shutdown
def last(resources): note("order", "_".join(resources["seen"]))
@job()
async def asks(context, url):
    answer = await context.resources["http"].get(url)
    return [answer.status_code, context.database.dialect]
""")
    with rigged.rig.worker() as broker:
        for _ in range(2):
            job_id = rigged.run(broker, "asks", sink.url("/in"))
            assert rigged.result(job_id) == [200, "sqlite"]
        assert sink.connections == 1
    assert rigged.notes("order") == ["up", "first_second", "client_is_shut"]


def test_worker_startup_that_fails_ends_the_worker(rigged: JobRig) -> None:
    rigged.write("""
@on_startup
def connect(resources): raise ConnectionError("the pool is empty")
""")
    process = rigged.rig.start("dramatiq", "actors", "--processes", "1", "--threads", "1")
    assert process.wait(60) != 0
    assert "The worker does not start: @on_startup" in rigged.rig.output()
    assert "ConnectionError: the pool is empty" in rigged.rig.output()


def test_async_tasks(rigged: JobRig) -> None:
    rigged.write("""
@job()
async def doubled(context, number): await asyncio.sleep(0); return number * 2
""")
    with rigged.rig.worker() as broker:
        assert rigged.result(rigged.run(broker, "doubled", 21)) == 42


def test_max_jobs_and_concurrency(rigged: JobRig) -> None:
    """Two at once, over both workers; the third starts when one of them has ended."""
    rigged.write("""
@job(concurrency=2)
def slow(context, number):
    note("began", number)
    wait((HERE / f"end_{number}").exists)
""")
    rigged.rig.dramatiq(threads=12)
    with rigged.rig.worker(threads=12) as broker:
        ids = [rigged.run(broker, "slow", number) for number in range(3)]
        wait_until(lambda: len(rigged.notes("began")) == 2)
        held = [id_ for id_ in ids if rigged.row(id_).worker_id]
        (waits,) = set(ids) - set(held)
        assert rigged.row(waits).state is JobState.PENDING
        (rigged.rig.folder / f"end_{rigged.notes('began')[0]}").touch()
        rigged.wait_for(waits, JobState.STARTED)
        for number in range(3):
            (rigged.rig.folder / f"end_{number}").touch()
        for id_ in ids:
            rigged.wait_for(id_, JobState.SUCCESS)


def test_job_timeout(rigged: JobRig) -> None:
    """A timeout is tried again, as any failure, and final once the tries are used up."""
    rigged.write("""
@job(time_limit=0.3, max_retries=0)
def hangs(context):
    while True: time.sleep(0.01)
@job(time_limit=0.3, max_retries=1)
async def hangs_too(context): await asyncio.sleep(60)
""")
    with rigged.rig.worker() as broker:
        ended = rigged.wait_for(rigged.run(broker, "hangs"), JobState.FAILURE)
        assert (ended.error_code, ended.attempts) == ("timeout", 1)
        again = rigged.run(broker, "hangs_too")
        wait_until(lambda: rigged.row(again).error_code == "timeout")
        assert rigged.row(again).state is JobState.PENDING


def test_enqueue_from_a_route_returns_the_job_id(rigged: JobRig) -> None:
    """A program of the user's own, in the folder; the id is there before anything runs."""
    rigged.write("""
@job()
def resize(context, image, *, width): return [image, width]
""")
    asked = 'enqueue(resize.s("x.png", width=80), idempotency_key="order-1")'
    code = f"import json\nfrom {rigged.rig.module} import *\nprint(json.dumps({asked}))"
    ids = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=rigged.rig.folder,
            env={**rigged.rig.environ, "PYTHONPATH": f"{PROJECT}:{rigged.rig.folder}"},
            capture_output=True,
            text=True,
            check=True,
        )
        ids.append(json.loads(done.stdout.splitlines()[-1]))
    assert ids[0] == ids[1]
    assert rigged.row(ids[0][0]).state is JobState.PENDING
    with rigged.rig.worker():
        assert rigged.result(ids[0][0]) == ["x.png", 80]


def test_status_pending_started_progress_success_failure_revoked(rigged: JobRig) -> None:
    rigged.write("""
@job(max_retries=0)
def works(context, ends):
    wait((HERE / "tell").exists)
    context.progress(1, 2)
    wait((HERE / "end").exists)
    if ends == "badly": raise ValueError("no")
    while ends == "never": context.progress(); time.sleep(0.01)
""")
    waits = rigged.make(rigged.call("works", "well"))[0]
    assert rigged.row(waits).state is JobState.PENDING
    with rigged.rig.worker(threads=12) as broker:
        publish_jobs(broker, rigged.due())
        bad, never = (rigged.run(broker, "works", how) for how in ("badly", "never"))
        every = (waits, bad, never)
        for id_ in every:
            rigged.wait_for(id_, JobState.STARTED)
        (rigged.rig.folder / "tell").touch()
        for id_ in every:
            rigged.wait_for(id_, JobState.PROGRESS)
        jobs.cancel(rigged.database, never)
        (rigged.rig.folder / "end").touch()
        for id_, state in zip(every, ("success", "failure", "revoked"), strict=True):
            rigged.wait_for(id_, JobState(state))


def test_progress_meta(rigged: JobRig) -> None:
    rigged.write("""
@job()
def copies(context):
    context.progress(total=10, step="copying")
    for number in range(10): context.progress(number + 1, message=f"file {number}")
""")
    with rigged.rig.worker() as broker:
        done = rigged.wait_for(rigged.run(broker, "copies"), JobState.SUCCESS)
    assert done.progress == Progress("copying", 10, 10, "file 9"), "the last word is not lost"


def test_autoretry_exceptions(rigged: JobRig) -> None:
    rigged.write("""
@job(retry_for=(ConnectionError,))
def fails(context, how):
    raise {"away": ConnectionResetError, "wrong": KeyError, "never": Permanent}[how](how)
""")
    with rigged.rig.worker() as broker:
        away, wrong, never = (
            rigged.run(broker, "fails", how) for how in ("away", "wrong", "never")
        )
        wait_until(lambda: rigged.row(away).attempts == 1)
        assert rigged.row(away).state is JobState.PENDING
        assert "ConnectionResetError: away" in (rigged.row(away).error_message or "")
        assert rigged.wait_for(wrong, JobState.FAILURE).error_code == "job_error"
        assert rigged.wait_for(never, JobState.FAILURE).error_code == "permanent"


def test_max_retries(rigged: JobRig) -> None:
    rigged.write("""
@job(max_retries=2)
def fails(context): note("tried", context.attempt); raise ValueError("again")
""")
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "fails")
        for tries in (1, 2):
            wait_until(lambda tries=tries: rigged.row(job_id).attempts == tries)  # type: ignore[misc]  # the loop's value
            publish_jobs(broker, rigged.due())
        assert rigged.wait_for(job_id, JobState.FAILURE).attempts == 3
    assert rigged.notes("tried") == ["1", "2", "3"]


def test_exponential_backoff_with_jitter(rigged: JobRig) -> None:
    """The numbers are tests/unit/test_lifecycle.py's; here: the wait is in the database."""
    rigged.write("""
@job()
def fails(context): raise ValueError("later")
""")
    with rigged.rig.worker() as broker:
        job_id = rigged.run(broker, "fails")
        wait_until(lambda: rigged.row(job_id).attempts == 1)
    found = rigged.row(job_id)
    assert found.wake_at is not None
    assert found.started_at is not None
    assert 1_000 <= found.wake_at - found.started_at < 60_000


def test_hard_and_soft_limits(rigged: JobRig) -> None:
    rigged.write("""
@job(soft_time_limit=0.2, time_limit=30, max_retries=0)
def cleans_up(context):
    try:
        while True: time.sleep(0.01)
    except SoftTimeLimit:
        note("cleaned", context.soft_limit_reached())
        raise
@job(soft_time_limit=0.2, time_limit=30)
async def saves(context):
    try: await asyncio.sleep(60)
    except asyncio.CancelledError: return "what was done so far"
@job(soft_time_limit=0.1, time_limit=0.5, max_retries=0)
async def deaf(context):
    while not (HERE / "end").exists():
        try: await asyncio.sleep(0.01)
        except asyncio.CancelledError: note("heard", "nothing")
    note("deaf", "ended")
""")
    with rigged.rig.worker() as broker:
        soft = rigged.run(broker, "cleans_up")
        assert rigged.wait_for(soft, JobState.FAILURE).error_code == "soft_time_limit"
        assert rigged.notes("cleaned") == ["True"]
        assert rigged.result(rigged.run(broker, "saves")) == "what was done so far"
        hard = rigged.wait_for(rigged.run(broker, "deaf"), JobState.FAILURE)
        assert (hard.error_code, hard.attempts) == ("timeout", 1)
        (rigged.rig.folder / "end").touch()
        wait_until(lambda: rigged.notes("deaf") == ["ended"])


def test_acks_late(rigged: JobRig) -> None:
    """Redis loses everything while a job runs, and before another starts: both come to an end."""
    rigged.write("""
@job()
def slow(context, name): note("began", name); wait((HERE / "end").exists)
""")
    with rigged.rig.worker() as broker:
        runs = rigged.run(broker, "slow", "a")
        wait_until(lambda: rigged.notes("began") == ["a"])
        waits = rigged.make(rigged.call("slow", "b"))[0]
        broker.client.flushall()
        (rigged.rig.folder / "end").touch()
        rigged.wait_for(runs, JobState.SUCCESS)
        publish_jobs(broker, rigged.due())
        rigged.wait_for(waits, JobState.SUCCESS)
    assert sorted(rigged.notes("began")) == ["a", "b"]


def test_prefetch_1(rigged: JobRig) -> None:
    """What a busy worker has fetched is pending in the database still: anybody may start it."""
    rigged.write("""
@job()
def blocks(context, number): note("began", number); wait((HERE / "end").exists)
""")
    with rigged.rig.worker(threads=1) as broker:
        first = rigged.run(broker, "blocks", 1)
        rigged.wait_for(first, JobState.STARTED)
        second = rigged.run(broker, "blocks", 2)
        wait_until(lambda: broker.client.llen("hookkeeper:jobs") == 0, describe="the prefetch")
        rigged.rig.dramatiq(threads=1)
        publish_jobs(broker, rigged.due())
        rigged.wait_for(second, JobState.STARTED)
        (rigged.rig.folder / "end").touch()
        rigged.wait_for(first, JobState.SUCCESS)
    assert rigged.notes("began") == ["1", "2"]


WORK = """
@job()
def made(context, number): note("made", number); return number
@job()
def summed(context):
    note("summed", sum(context.results))
    return sum(context.results)
@job(max_retries=0)
def fails(context): raise ValueError("for good")
@job()
def told(context): note("told", "once")
"""


def test_chains(rigged: JobRig) -> None:
    rigged.write(WORK)
    with rigged.rig.worker() as broker:
        work = chain(rigged.call("made", 5), rigged.call("summed"), rigged.call("summed"))
        assert rigged.result(rigged.make(work, broker=broker)[-1]) == 5


def test_groups(rigged: JobRig) -> None:
    rigged.write(WORK)
    with rigged.rig.worker() as broker:
        work = group(rigged.call("made", number) for number in range(5))
        assert [rigged.result(id_) for id_ in rigged.make(work, broker=broker)] == [0, 1, 2, 3, 4]


def test_chords(rigged: JobRig) -> None:
    rigged.write(WORK)
    with rigged.rig.worker() as broker:
        members = [rigged.call("made", number) for number in range(5)]
        ids = rigged.make(
            chord(members, rigged.call("summed")), on_error=rigged.call("told"), broker=broker
        )
        assert rigged.result(ids[-2]) == 10
        failing = chord([rigged.call("fails"), rigged.call("fails")], rigged.call("summed"))
        *_, callback, errback = rigged.make(failing, on_error=rigged.call("told"), broker=broker)
        rigged.wait_for(errback, JobState.SUCCESS)
        rigged.wait_for(callback, JobState.REVOKED)
    assert rigged.notes("summed") == ["10"]
    assert rigged.notes("told") == ["once"]


SCHEDULED = """
[schedules.backup]
job = "backup"
args = ["all"]
"""


def fired(rigged: JobRig) -> list[int]:
    """The moments that the schedule has made jobs for, in ms."""
    wanted = "SELECT fire_at FROM jobs WHERE schedule = 'backup' ORDER BY fire_at"
    return [at for (at,) in rows(rigged.database, wanted)]


def scheduled(rigged: JobRig, when: str) -> None:
    """Let two schedulers run a schedule."""
    rigged.write("""
@job(name="backup")
def backup(context, what): note("backup", what)
""")
    rigged.rig.config(SCHEDULED + when)
    for _ in range(2):
        rigged.rig.start("actors.scheduler")
    known = "SELECT fired_until FROM schedules WHERE name = 'backup'"
    wait_until(lambda: rows(rigged.database, known), timeout=30, describe="the schedule")


def test_crontab(rigged: JobRig) -> None:
    """On Sundays, in a zone of its own; one that nobody was there for is made up for."""
    scheduled(rigged, 'cron = "30 3 * * sun"\nzone = "Europe/Berlin"\n')
    a_week = 7 * 86_400_000
    execute(
        rigged.database,
        "UPDATE schedules SET fired_until = fired_until - :week WHERE name = 'backup'",
        week=a_week,
    )
    with rigged.rig.worker():
        wait_until(lambda: rigged.notes("backup"), timeout=30)
    (moment,) = fired(rigged)
    local = datetime.fromtimestamp(moment / 1_000, ZoneInfo("Europe/Berlin"))
    assert (local.strftime("%A"), local.hour, local.minute) == ("Sunday", 3, 30)


def test_intervals(rigged: JobRig) -> None:
    """However many schedulers there are: one job for each moment."""
    scheduled(rigged, 'every = "1s"\ncatch_up = "all"\n')
    with rigged.rig.worker():
        wait_until(lambda: len(rigged.notes("backup")) >= 3, timeout=30)
    assert {at % 1_000 for at in fired(rigged)} == {0}
    assert {later - at for at, later in pairwise(fired(rigged))} == {1_000}


def test_results_status_in_the_database_and_large_data_by_reference(rigged: JobRig) -> None:
    rigged.write("""
@job()
def exported(context): return Reference("s3://bucket/rows.parquet")
@job()
def read(context): return context.results[0].url
""")
    with rigged.rig.worker() as broker:
        work = chain(rigged.call("exported"), rigged.call("read"))
        first, second = rigged.make(work, broker=broker)
        assert rigged.result(second) == "s3://bucket/rows.parquet"
    assert rigged.row(first).result_ref == "s3://bucket/rows.parquet"


def test_revoke_and_cancel(rigged: JobRig) -> None:
    """Waiting: at once. Running: a sync job hears it in progress(), an async one is cancelled."""
    rigged.write("""
@job()
def listens(context):
    try:
        while True: context.progress(); time.sleep(0.01)
    except Cancelled:
        note("cleaned", "sync")
        raise
@job()
async def sleeps(context):
    try: await asyncio.sleep(60)
    finally: note("cleaned", "async")
""")
    waits = rigged.make(rigged.call("listens"))[0]
    jobs.cancel(rigged.database, waits)
    assert rigged.row(waits).state is JobState.REVOKED
    with rigged.rig.worker() as broker:
        ids = [rigged.run(broker, name) for name in ("listens", "sleeps")]
        for id_ in ids:
            rigged.wait_for(id_, JobState.STARTED)
            jobs.cancel(rigged.database, id_)
            assert rigged.wait_for(id_, JobState.REVOKED).error_code == "cancelled"
    assert sorted(rigged.notes("cleaned")) == ["async", "sync"]


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_no_large_results(rigged: JobRig, size: int) -> None:
    rigged.write("""
@job()
def large(context, size): return "x" * size
@job()
def strange(context): return object()
""")
    with rigged.rig.worker() as broker:
        ended = rigged.wait_for(rigged.run(broker, "large", size), JobState.FAILURE)
        assert (ended.error_code, ended.result) == ("result_too_large", None)
        assert "Reference" in (ended.error_message or "")
        strange = rigged.wait_for(rigged.run(broker, "strange"), JobState.FAILURE)
        assert strange.error_code == "result_not_json"


def test_no_large_arguments(rigged: JobRig) -> None:
    rigged.write(WORK)
    with pytest.raises(ValueError, match="65,536"):
        rigged.make(rigged.call("made", "x" * 70_000))
    assert jobs.list_jobs(rigged.database) == []
