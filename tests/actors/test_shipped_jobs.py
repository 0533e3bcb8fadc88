"""The jobs of the shipped schedules, in a worker: retention, cleanup, and the daily report."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from actors import report
from ingest.event_view import OWN_SOURCE
from ingest.events import DeliveryState
from ingest.jobs.states import JobState
from ingest.jobs.workflow import Call, plan
from ingest.queue import publish_jobs
from ingest.store import accept, jobs, queries
from ingest.store.rejected import keep
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig, arrival, publish_stored
from tests.services.mail import MailServer
from tests.store.job_making import end, made_one
from tests.store.making import DAY_MS, a_worker, execute, new_id, now_ms, one
from tests.store.rejecting import rejected_request

#: What the shipped schedule gives it, where nothing is configured.
WORDS = {"zone": "UTC", "keep": 90, "told": False}


@pytest.fixture
def rigged(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> JobRig:
    """A worker in this process finds its data folder as one of its own would."""
    rig.config("")
    monkeypatch.setenv("HOOKKEEPER_DATA", str(rig.folder / "data"))
    return JobRig(rig)


def yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def noon(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1_000)


def received(rig: Rig, source: str, at: int) -> str:
    """An event that came at a time (ms), and was wanted by nobody."""
    old = arrival(source, "push", b"{}")._replace(event_id=new_id(at), received_at=at)
    accept.accept(rig.database, [old])
    rig.dispatch(old.event_id)
    return old.event_id


def reports(rigged: JobRig) -> list[Path]:
    return sorted((rigged.rig.folder / "data" / "reports").glob("*"))


def test_retention_forgets_each_sources_events_in_batches(
    rigged: JobRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.retention.BATCH", 2)
    for days in (8, 8, 8, 8, 8, 6):
        received(rigged.rig, "github", now_ms() - days * DAY_MS)
    kept = received(rigged.rig, "other", now_ms() - 8 * DAY_MS)
    ended = [rejected_request(expires_at=now_ms() - 1) for _ in range(3)]
    keep(rigged.rig.database, [*ended, rejected_request()])
    call = Call("retention", (), {"days": 30, "by_source": {"github": 7}})
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(call, broker=broker)
        assert rigged.result(job_id) == {
            "events": 5,
            "duplicates": 0,
            "dedupe_keys": 0,
            "rejected": 3,
        }
    left = queries.list_events(rigged.database)
    assert sorted(row.source for row in left) == ["github", "other"]
    assert kept in {row.id for row in left}


def test_retention_leaves_the_rest_for_its_next_run(
    rigged: JobRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog of years must not keep a worker for hours."""
    monkeypatch.setattr("actors.retention.BATCH", 1)
    monkeypatch.setattr("actors.retention.LONGEST_SECONDS", 0.0)
    for _ in range(3):
        received(rigged.rig, "github", now_ms() - 8 * DAY_MS)
    call = Call("retention", (), {"days": 7, "by_source": {}})
    with rigged.rig.worker() as broker:
        for left in (2, 1):
            (job_id,) = rigged.make(call, broker=broker)
            assert rigged.result(job_id)["events"] == 1
            assert len(queries.list_events(rigged.database)) == left


def test_cleanup_forgets_what_has_long_ended(rigged: JobRig) -> None:
    ended = made_one(rigged.database, "old")
    end(rigged.database, a_worker(rigged.database), ended)
    execute(rigged.database, "UPDATE jobs SET finished_at = 1, id = :id", id=new_id(1))
    execute(rigged.database, "INSERT INTO schedules VALUES ('gone', 1, NULL)")
    execute(
        rigged.database,
        "INSERT INTO alerts (name, subject, state, since, count)"
        " VALUES ('backlog', 'jobs', 'resolved', 1, 1)",
    )
    with rigged.rig.worker() as broker:
        call = Call("cleanup", (), {"days": 7, "schedules": ["cleanup"]})
        (job_id,) = rigged.make(call, broker=broker)
        assert rigged.result(job_id) == {"jobs": 1, "alerts": 1, "schedules": 1}
    assert rigged.row(job_id).state is JobState.SUCCESS


def test_the_report_of_yesterday_is_a_file(rigged: JobRig) -> None:
    """And nothing else, where nobody is to be told."""
    received(rigged.rig, "github", noon(yesterday()))
    received(rigged.rig, "other", now_ms())
    with rigged.rig.worker() as broker:
        (job_id,) = rigged.make(Call("report", (), WORDS), broker=broker)
        done = rigged.result(job_id)
    (file,) = reports(rigged)
    assert done == {"day": str(yesterday()), "file": str(file), "event_id": None}
    assert file.name == f"{yesterday()}.html"
    text = file.read_text()
    assert "1 events received" in text
    assert "<td>github</td><td>1</td>" in text
    assert "<td>other</td>" not in text, "it came today"
    assert one(rigged.database, "SELECT count(*) FROM events WHERE source = 'hookkeeper'") == 0


def test_a_report_that_is_written_again_is_the_same_file(rigged: JobRig) -> None:
    with rigged.rig.worker() as broker:
        for _ in range(2):
            (job_id,) = rigged.make(Call("report", (), WORDS), broker=broker)
            rigged.result(job_id)
    assert [file.name for file in reports(rigged)] == [f"{yesterday()}.html"]


def test_reports_of_days_that_were_missed_are_each_of_their_own_day(rigged: JobRig) -> None:
    """All of them are made in the same moment, once a scheduler runs again."""
    days = [yesterday() - timedelta(days=ago) for ago in (2, 1)]
    for number, day in enumerate(days, start=1):
        for _ in range(number):
            received(rigged.rig, "github", noon(day))
    with rigged.rig.worker() as broker:
        done = []
        for day in days:
            made = jobs.create(
                rigged.database,
                plan(Call("report", (), WORDS), lambda _kind: "jobs", new_id),
                trace_id="t",
                schedule="report",
                fire_at=noon(day) + DAY_MS,
            )
            publish_jobs(broker, made.due)
            done.append(rigged.result(made.ids[0]))
    assert [each["day"] for each in done] == [str(day) for day in days]
    files = reports(rigged)
    assert [file.name for file in files] == [f"{day}.html" for day in days]
    assert [f"<td>github</td><td>{n}</td>" in f.read_text() for n, f in enumerate(files, 1)] == [
        True,
        True,
    ]


def test_only_the_newest_reports_stay_and_nobody_elses_file_goes(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "mine.html").touch()
    for day in range(1, 6):
        report.write_file(folder, date(2026, 11, day), "<p>x</p>", keep=3)
    found = sorted(path.name for path in folder.iterdir())
    assert found == ["2026-11-03.html", "2026-11-04.html", "2026-11-05.html", "mine.html"]


def test_the_report_comes_by_mail_once_as_text_and_html(
    rigged: JobRig, mail_server: MailServer
) -> None:
    rigged.rig.config(
        '[destinations.oncall]\nkind = "email"\n'
        f'url = "smtp://127.0.0.1:{mail_server.port}"\n'
        'starttls = false\nfrom = "hooks@example.com"\nto = ["ops@example.com"]\n'
        '[schedules.report]\nkwargs = { to = ["oncall"] }\n'
    )
    received(rigged.rig, "github", noon(yesterday()))
    words = rigged.rig.loaded().config.schedules.active["report"].call.kwargs
    with rigged.rig.worker() as broker:
        told = []
        for _ in range(2):  # as after a crash between its event and its end
            (job_id,) = rigged.make(Call("report", (), words), broker=broker)
            told.append(rigged.result(job_id)["event_id"])
        publish_stored(broker, *told)
        rigged.rig.wait_for(told[0], DeliveryState.SUCCEEDED)

    assert told[0] == told[1]
    (event,) = [row for row in queries.list_events(rigged.database) if row.source == OWN_SOURCE]
    assert event.type == "report.daily"
    assert len(mail_server.box.mails) == 1
    mail = mail_server.box.read()
    assert mail["Subject"].startswith(f"Report of {yesterday()}: 1 events received")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "github: 1, 0, 1, 0, -, -" in text.get_content()
    assert "<td>github</td><td>1</td>" in html.get_content()
