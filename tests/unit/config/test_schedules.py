"""[schedules]: what is read, what is shipped, and every mistake with its table and key."""

from collections.abc import Mapping
from types import ModuleType

import pytest

from ingest import JobContext, job, schedule
from ingest.config.schedules import SHIPPED, check_schedules
from ingest.errors import ConfigError
from ingest.event_view import OWN_SOURCE, REPORT_TYPE
from ingest.events import Event
from ingest.jobs.marked_schedules import schedules_of
from ingest.jobs.specs import jobs_of
from ingest.routing import match
from ingest.schedules import CatchUp, Schedule
from ingest.times import Every, cron
from tests.unit.config.conftest import Folder

MINUTE = 60_000
WHOLE = """
[schedules.nightly]
cron = "0 2 * * *"
zone = "Europe/Berlin"
job = "photos.tidy"
args = ["attic"]
kwargs = { days = 7 }
queue = "images"
catch_up = "all"
"""
SOURCE = '[sources.github]\nprovider = "none"\n'
MAIL = (
    '[destinations.oncall]\nkind = "email"\nurl = "smtp://mail.example.com"\n'
    'from = "hooks@example.com"\nto = ["ops@example.com"]\n'
)


@job(name="photos.tidy", queue="images")
def tidy(context: JobContext, folder: str, *, days: int = 1) -> None: ...


def photos(**functions: object) -> ModuleType:
    made = ModuleType("photos")
    vars(made).update(functions or {"tidy": tidy})
    return made


def only(folder: Folder, text: str, name: str = "nightly") -> Schedule:
    return folder.load(text).schedules.active[name]


def checked(folder: Folder, text: str, marked: Mapping[str, Schedule] | None = None) -> str:
    """What a worker says that imports the module; "" where it starts."""
    try:
        check_schedules(folder.load(text).schedules, jobs_of([photos()]), marked or {})
    except ConfigError as error:
        return str(error)
    return ""


def test_a_schedule_is_read_whole(folder: Folder) -> None:
    one = only(folder, WHOLE)
    assert one.times == cron("0 2 * * *", "Europe/Berlin")
    assert one.catch_up is CatchUp.ALL
    call = one.call
    assert (call.kind, call.args, call.kwargs) == ("photos.tidy", ("attic",), {"days": 7})
    assert call.queue == "images"
    assert checked(folder, WHOLE) == ""


def test_what_a_job_is_called_with_is_no_secret_of_ours(folder: Folder) -> None:
    config = folder.load(WHOLE.replace("days = 7", 'path = "file:nowhere"'))
    assert config.secret_files == ()


def test_an_interval_is_enough(folder: Folder) -> None:
    one = only(folder, '[schedules.nightly]\nevery = "15m"\njob = "photos.tidy"')
    assert one.times == Every(15 * MINUTE)
    assert (one.catch_up, one.call.queue) == (CatchUp.ONCE, "jobs")


def test_three_schedules_are_there_without_being_asked_for(folder: Folder) -> None:
    text = f'retention = "30d"\n{SOURCE}retention = "7d"\n'
    active = folder.load(text).schedules.active
    assert active.keys() == SHIPPED.keys()
    assert active["retention"].call.kwargs == {"days": 30, "by_source": {"github": 7}}
    assert active["retention"].times == Every(10 * MINUTE)
    assert active["cleanup"].call.kwargs == {"days": 7, "schedules": sorted(SHIPPED)}
    assert active["cleanup"].times == Every(360 * MINUTE)
    assert active["report"].call.kwargs == {"keep": 90, "told": False, "zone": "UTC"}
    assert active["report"].times == cron("0 2 * * *")


def test_a_shipped_schedule_can_be_changed_in_part(folder: Folder) -> None:
    """What is not said stays: the time of day with the zone, the zone with the time of day."""
    report = only(folder, '[schedules.report]\nzone = "Europe/Berlin"', "report")
    assert report.times == cron("0 2 * * *", "Europe/Berlin")
    assert report.call.kwargs["zone"] == "Europe/Berlin"
    cleanup = only(folder, '[schedules.cleanup]\nkwargs = { keep = "30d" }', "cleanup")
    assert (cleanup.times, cleanup.call.kwargs["days"]) == (Every(360 * MINUTE), 30)
    assert only(folder, '[schedules.retention]\nevery = "1h"', "retention").times == Every(
        60 * MINUTE
    )


def test_a_shipped_schedule_can_be_disabled(folder: Folder) -> None:
    schedules = folder.load("[schedules.retention]\nenabled = false").schedules
    assert sorted(schedules.active) == ["cleanup", "report"]
    assert schedules.disabled == {"retention"}


def test_a_schedule_of_a_module_is_disabled_by_its_name_alone(folder: Folder) -> None:
    text = '[schedules."photos.tidy"]\nenabled = false'
    assert folder.load(text).schedules.disabled == {"photos.tidy"}


def test_the_report_goes_to_those_that_its_schedule_names_and_no_alert_does(
    folder: Folder,
) -> None:
    config = folder.load(MAIL + '[schedules.report]\nkwargs = { to = ["oncall"] }')
    assert config.schedules.active["report"].call.kwargs["told"] is True
    assert config.alerts is None

    def told(type_: str) -> list[str]:
        event = Event("1", OWN_SOURCE, type_, None, 0, (), "", "application/json", b"{}", "")
        return [target.destination for target in match(config, {}, event)]

    assert told(REPORT_TYPE) == ["oncall"]
    assert told("alert.backlog") == []


def test_alerts_bring_no_report(folder: Folder) -> None:
    config = folder.load(MAIL + '[alerts]\nto = ["oncall"]')
    event = Event("1", OWN_SOURCE, REPORT_TYPE, None, 0, (), "", "application/json", b"{}", "")
    assert match(config, {}, event) == ()


def test_an_export_goes_on_where_the_last_one_ended(folder: Folder) -> None:
    """And its folder is the same for every process, wherever it runs."""
    call = only(folder, exporting('to = "exports", format = "jsonl"')).call
    wanted = {"to": str(folder.path / "exports"), "format": "jsonl", "since": "last"}
    assert (call.kind, call.args, call.kwargs, call.queue) == ("export", (), wanted, "jobs")


def exporting(kwargs: str, more: str = "") -> str:
    return f'[schedules.nightly]\nevery = "1h"\njob = "export"\nkwargs = {{ {kwargs} }}\n{more}'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('crom = "* * * * *"', '[schedules.nightly] crom: unknown key; did you mean "cron"?'),
        ("", "[schedules.nightly] cron: is missing"),
        ('cron = "* * * * *"\nevery = "1m"', "[schedules.nightly] every: is another answer"),
        ('cron = "0 25 * * *"', "[schedules.nightly] cron: '0 25 * * *': bad hour"),
        ('cron = "0 2 * *"', "[schedules.nightly] cron: '0 2 * *' has 4 fields"),
        ('cron = "0 0 30 2 *"', "[schedules.nightly] cron: '0 0 30 2 *': bad day-of-month"),
        ('cron = "0 2 * * *"\nzone = "Berlin"', "[schedules.nightly] zone: 'Berlin' is no time"),
        ('every = "1h"\nzone = "UTC"', "[schedules.nightly] zone: is for cron"),
        ('every = "soon"', "[schedules.nightly] every: expected a duration"),
        ('every = "10ms"', "[schedules.nightly] every: an interval is at least a second"),
        ('every = "1h"\ncatch_up = "al"', "catch_up: 'al' is none; did you mean \"all\"?"),
        ('every = "1h"\nenabled = "no"', "[schedules.nightly] enabled: expected true or false"),
        ('every = "1h"\nargs = "attic"', "[schedules.nightly] args: expected a list"),
        ('every = "1h"\nkwargs = ["a"]', "[schedules.nightly] kwargs: expected a table"),
    ],
)
def test_a_mistake_is_refused_with_its_table_and_key(
    folder: Folder, text: str, wanted: str
) -> None:
    assert wanted in folder.refused(f'[schedules.nightly]\njob = "photos.tidy"\n{text}')


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[schedules.nightly]\nevery = "1h"', "[schedules.nightly] job: is missing"),
        ('[schedules."a b"]\nevery = "1h"\njob = "x"', "[schedules] a b: a schedule's name is"),
        ('[schedules.nightly]\nevery = "1h"\njob = "retention"', "change [schedules.retention]"),
        ('[schedules.report]\njob = "export"', "change [schedules.report]"),
        (
            '[schedules.nightly]\nevery = "1h"\njob = "export_chunk"',
            "be scheduled; bulk_replay, cl",
        ),
        ("[schedules.cleanup]\nkwargs = { keep = 7 }", "[schedules.cleanup.kwargs] keep: expected"),
        ("[schedules.retention]\nkwargs = { days = 7 }", "[schedules.retention.kwargs] days: unk"),
        ('[schedules.report]\nkwargs = { to = ["oncal"] }', "there is no destination 'oncal'"),
        ("[schedules.report]\nkwargs = { keep = 0 }", "[schedules.report.kwargs] keep: expected"),
        ('[schedules.cleanup]\nargs = ["x"]', "[schedules.cleanup] args: cleanup takes kwargs"),
        ('[schedules.cleanup]\nqueue = "x"', '[schedules.cleanup] queue: cleanup has its own, "jo'),
    ],
)
def test_a_mistake_about_shipped_jobs_is_refused(folder: Folder, text: str, wanted: str) -> None:
    assert wanted in folder.refused(text)


@pytest.mark.parametrize(
    ("kwargs", "wanted"),
    [
        ('format = "jsonl"', "to: is missing"),
        ('to = "x", formt = "csv"', 'formt: unknown key; did you mean "format"?'),
        ('to = "x", format = "xml"', "format: "),
        ('to = "x", dataset = "event"', "dataset: there is no dataset 'event'; did you mean \"ev"),
        (f'to = "x", types = {[f"t{n}" for n in range(101)]}', "types: 101 are too many"),
        ('to = "x", source = "githb"', "source: there is no source 'githb'; did you mean \"git"),
        ('to = "x", types = "push"', "types: expected a list"),
        ('to = "x", types = ["a*b"]', "types: 'a*b': \"*\" may only stand at the end"),
        ('to = "x", state = "lost"', "state: there is no state 'lost'"),
        ('to = "x", since = "7d"', "since: a schedule goes on where its last run ended"),
        ('to = "x", until = "tomorrow"', "until: 'tomorrow' is neither a duration"),
        ('to = "ftp://x/y"', "to: is no place for an export"),
    ],
)
def test_a_wrong_export_is_refused_before_it_is_ever_due(
    folder: Folder, kwargs: str, wanted: str
) -> None:
    assert f"[schedules.nightly.kwargs] {wanted}" in folder.refused(exporting(kwargs, SOURCE))


def replaying(kwargs: str) -> str:
    table = f'[schedules.nightly]\nevery = "1h"\njob = "bulk_replay"\nkwargs = {{ {kwargs} }}\n'
    return SOURCE + MAIL + table


def test_a_replay_may_have_one_destination_of_the_file(folder: Folder) -> None:
    words = 'dataset = "deliveries", state = "dead", rate = 5'
    wanted = {"dataset": "deliveries", "state": "dead", "rate": 5.0}
    assert only(folder, replaying(words)).call.kwargs == wanted
    to = {"destination": "oncall", "kind": "email", "queue": "notify", "digest_ms": 0}
    call = only(folder, replaying(words + ', to = "oncall"')).call
    assert (call.kind, call.kwargs) == ("bulk_replay", {**wanted, "target": to})


@pytest.mark.parametrize(
    ("kwargs", "wanted"),
    [
        ('to = "oncal", since = "1d"', "to: there is no destination 'oncal' in this file; did you"),
        ('state = "unmatched"', "since: is missing: without it each run replays all events anew"),
        ('since = "1d", types = ["a*b"]', "types: 'a*b': \"*\" may only stand at the end"),
        ('since = "1d", source = "githb"', "source: there is no source 'githb'; did you mean"),
        ('dataset = "deliveries", state = "running"', "state: what is running has not ended"),
        ('since = "1d", rate = 0', "rate: 0 a second is none"),
        ('since = "soon"', "since: 'soon' is neither a duration"),
        ('since = "1d", target = "oncall"', "target: unknown key"),
    ],
)
def test_a_wrong_replay_is_refused_before_it_is_ever_due(
    folder: Folder, kwargs: str, wanted: str
) -> None:
    assert f"[schedules.nightly.kwargs] {wanted}" in folder.refused(replaying(kwargs))


def test_only_who_imports_the_modules_knows_the_jobs(folder: Folder) -> None:
    """The scheduler does not; the worker refuses, and so does ``config check``."""
    unknown = WHOLE.replace("photos.tidy", "photos.tidi")
    folder.load(unknown)
    wanted = "[schedules.nightly] job: there is no job 'photos.tidi'; did you mean \"photos.tidy\"?"
    assert checked(folder, unknown) == wanted


def test_arguments_that_the_function_does_not_take_are_refused(folder: Folder) -> None:
    said = checked(folder, WHOLE.replace("days = 7", "weeks = 1"))
    assert said.startswith("[schedules.nightly] kwargs: photos.tidy cannot be called so")


def test_a_job_is_made_in_its_own_queue(folder: Folder) -> None:
    """The scheduler cannot know which that is."""
    said = checked(folder, WHOLE.replace('queue = "images"\n', ""))
    assert said == '[schedules.nightly] queue: photos.tidy has its own: write queue = "images"'


def test_one_name_is_not_given_twice(folder: Folder) -> None:
    @schedule(every="1h", name="nightly", args=["attic"])
    @job(name="other")
    def marked(context: JobContext, folder: str) -> None: ...

    assert "have the same name" in checked(folder, WHOLE, schedules_of([photos(a=marked)]))
