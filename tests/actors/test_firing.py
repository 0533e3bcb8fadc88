"""What the scheduler's step makes of schedules: of the file, of modules, after an outage."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from actors.firing import LOOK_MS, Firing
from actors.scheduler import Scheduler
from ingest.config.load import load_config
from ingest.config.model import Config
from ingest.errors import StoreUnavailable
from ingest.jobs.states import JobState
from ingest.queue import JOBS, WakeBroker, build_broker
from ingest.schedules import MOST_AT_ONCE
from ingest.store import Database, schedules
from ingest.verify.catalogue import load_catalogue
from tests.actors.job_rig import JobRig
from tests.actors.rig import Rig
from tests.store.making import dispatched, execute, new_id, now_ms, rows
from tests.waiting import wait_until

SECOND = 1_000
MINUTE = 60_000
HOUR = 60 * MINUTE
JOB = """
@job(name="tidy")
def tidy(context: JobContext, *args) -> None:
    note("tidied", "-".join(args))
"""
#: Nothing that is shipped fires in these stories.
QUIET = "".join(
    f"[schedules.{name}]\nenabled = false\n" for name in ("retention", "cleanup", "report")
)


@pytest.fixture
def broker(redis_url: str) -> Iterator[WakeBroker]:
    built = build_broker(redis_url, [])
    yield built
    built.client.connection_pool.disconnect()


@pytest.fixture
def rigged(rig: Rig) -> JobRig:
    made = JobRig(rig)
    made.write(JOB)
    return made


def configured(rigged: JobRig, text: str) -> Config:
    """What the scheduler reads, which does not import the module."""
    rigged.rig.config(QUIET + text)
    return load_config(rigged.rig.folder / "hookkeeper.toml", {}, load_catalogue())


def nightly(catch_up: str = "once", every: str = "1h", more: str = "") -> str:
    return f'[schedules.nightly]\nevery = "{every}"\njob = "tidy"\ncatch_up = "{catch_up}"\n{more}'


def seen_to(rigged: JobRig, until: int) -> None:
    execute(rigged.database, "UPDATE schedules SET fired_until = :until", until=until)


def fired(rigged: JobRig, name: str = "nightly") -> list[int]:
    """The moments that have a job."""
    wanted = "SELECT fire_at FROM jobs WHERE schedule = :name ORDER BY fire_at"
    return [at for (at,) in rows(rigged.database, wanted, name=name)]


def queued(broker: WakeBroker) -> int:
    client: Any = broker.client
    return int(client.llen(f"{broker.namespace}:{JOBS}"))


class Steps:
    """A scheduler's step, asked at the times of a clock of its own."""

    def __init__(self, rigged: JobRig, broker: WakeBroker, known: Callable[[], Config]) -> None:
        self.firing = Firing(rigged.database, broker, known)
        self.now = 0

    def look(self) -> bool:
        """Step when it is certainly time to."""
        self.now += LOOK_MS
        return self.firing.step(self.now)


def after_an_outage(
    rigged: JobRig, broker: WakeBroker, catch_up: str, every: str = "1h", away: int = 5 * HOUR
) -> Steps:
    """A scheduler that looks for the first time since some moments were missed."""
    config = configured(rigged, nightly(catch_up, every))
    steps = Steps(rigged, broker, lambda: config)
    steps.look()
    seen_to(rigged, now_ms() - away)
    return steps


def test_a_new_schedule_makes_nothing_of_the_past(rigged: JobRig, broker: WakeBroker) -> None:
    config = configured(rigged, nightly("all", "1s"))
    before = now_ms()
    Steps(rigged, broker, lambda: config).look()
    assert fired(rigged) == []
    assert schedules.look(rigged.database)[1]["nightly"].fired_until >= before


def test_a_moment_that_comes_makes_a_job_and_wakes_a_worker(
    rigged: JobRig, broker: WakeBroker
) -> None:
    steps = after_an_outage(rigged, broker, "skip", "1s", away=SECOND)
    steps.look()
    (at,) = fired(rigged)[:1]
    assert at % SECOND == 0
    assert 0 <= now_ms() - at < 3 * SECOND
    assert queued(broker) == len(fired(rigged)), "one a second; a look may have taken longer"


@pytest.mark.parametrize(("catch_up", "most"), [("skip", 0), ("once", 1), ("all", 5)])
def test_what_an_outage_missed_goes_by_catch_up(
    rigged: JobRig, broker: WakeBroker, catch_up: str, most: int
) -> None:
    """Five hours away; within a minute of the full hour its moment is no missed one."""
    steps = after_an_outage(rigged, broker, catch_up)
    steps.look()
    found = fired(rigged)
    fresh = 1 if now_ms() % HOUR < MINUTE + 5 * SECOND else 0
    assert len(found) in {most, most + fresh}
    assert all(later - earlier == HOUR for earlier, later in pairwise(found))
    steps.look()
    assert fired(rigged) == found, "it is seen to once"


def test_a_long_outage_is_caught_up_in_portions(rigged: JobRig, broker: WakeBroker) -> None:
    steps = after_an_outage(rigged, broker, "all", "1s", away=(MOST_AT_ONCE + 50) * SECOND)
    assert steps.look() is True, "there is more to do at once"
    assert len(fired(rigged)) == MOST_AT_ONCE
    assert steps.firing.step(steps.now) is False
    found = fired(rigged)
    assert MOST_AT_ONCE + 49 <= len(found) < 2 * MOST_AT_ONCE
    assert all(later - earlier == SECOND for earlier, later in pairwise(found))


def test_two_schedulers_make_one_job_a_moment(rigged: JobRig, broker: WakeBroker) -> None:
    config = configured(rigged, nightly("all"))
    pair = [Steps(rigged, broker, lambda: config) for _ in range(2)]
    pair[0].look()
    seen_to(rigged, now_ms() - 5 * HOUR)
    for steps in pair:
        steps.look()
    found = fired(rigged)
    assert len(found) in {5, 6}
    assert len(set(found)) == len(found)


def test_between_its_times_the_table_is_left_alone(
    rigged: JobRig, broker: WakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step is asked twice a second, on idle machines too."""
    config = configured(rigged, nightly())
    steps = Steps(rigged, broker, lambda: config)
    steps.look()
    looks: list[Database] = []
    real = schedules.look

    def counted(database: Database) -> object:
        looks.append(database)
        return real(database)

    monkeypatch.setattr(schedules, "look", counted)
    for half_seconds in range(1, 9):
        steps.firing.step(steps.now + half_seconds * 500)
    assert looks == []
    steps.look()
    assert len(looks) == 1


def test_a_changed_configuration_is_looked_at_at_once(rigged: JobRig, broker: WakeBroker) -> None:
    config = configured(rigged, nightly())
    steps = Steps(rigged, broker, lambda: config)
    steps.look()
    config = configured(rigged, nightly("all", "1m"))
    seen_to(rigged, now_ms() - HOUR)
    steps.firing.step(steps.now)
    assert len(fired(rigged)) in {60, 61}


def test_what_is_disabled_fires_no_more_and_catches_up_nothing_later(
    rigged: JobRig, broker: WakeBroker
) -> None:
    config = configured(rigged, nightly("all"))
    steps = Steps(rigged, broker, lambda: config)
    steps.look()
    seen_to(rigged, now_ms() - 5 * HOUR)
    config = configured(rigged, nightly("all", more="enabled = false"))
    steps.look()
    config = configured(rigged, nightly("all"))
    steps.look()
    steps.look()
    assert fired(rigged) == []


MARKED = '@schedule(every="1h", catch_up="all", args=["attic"])\n' + JOB.lstrip()


def test_a_schedule_of_a_module_reaches_schedulers_that_do_not_import_it(rigged: JobRig) -> None:
    rigged.write(MARKED)
    config = configured(rigged, "")
    assert "tidy" not in config.schedules.active
    with rigged.rig.worker() as its_broker:
        seen_to(rigged, now_ms() - 3 * HOUR)
        steps = Steps(rigged, its_broker, lambda: config)
        steps.look()
        count = len(fired(rigged, "tidy"))
        assert count in {3, 4}
        wait_until(lambda: rigged.notes("tidied") == ["attic"] * count)


def test_one_that_no_module_marks_any_more_does_not_fire(
    rigged: JobRig, broker: WakeBroker
) -> None:
    """The worker that started last says which there are."""
    rigged.write(MARKED)
    config = configured(rigged, "")
    with rigged.rig.worker():
        assert "tidy" in schedules.look(rigged.database)[1]
    rigged.rig.module += "_deployed"  # what is imported once stays imported
    rigged.write(JOB)
    configured(rigged, "")
    with rigged.rig.worker():
        seen_to(rigged, now_ms() - 3 * HOUR)
        Steps(rigged, broker, lambda: config).look()
    assert fired(rigged, "tidy") == []


def test_one_of_a_module_can_be_disabled_in_the_file(rigged: JobRig, broker: WakeBroker) -> None:
    rigged.write(MARKED)
    config = configured(rigged, "[schedules.tidy]\nenabled = false")
    with rigged.rig.worker():
        seen_to(rigged, now_ms() - 3 * HOUR)
        steps = Steps(rigged, broker, lambda: config)
        steps.look()
        assert fired(rigged, "tidy") == []
    assert schedules.look(rigged.database)[1]["tidy"].fired_until > now_ms() - MINUTE


def test_what_cannot_be_read_does_not_stop_the_others(rigged: JobRig, broker: WakeBroker) -> None:
    """A newer Hookkeeper may have written it."""
    config = configured(rigged, nightly("all"))
    steps = Steps(rigged, broker, lambda: config)
    schedules.sync(rigged.database, {"strange": '{"kind": "tidy", "moon": "full"}'})
    steps.look()
    seen_to(rigged, now_ms() - 5 * HOUR)
    steps.look()
    assert len(fired(rigged)) in {5, 6}


def test_a_job_that_a_schedule_made_runs(rigged: JobRig, broker: WakeBroker) -> None:
    config = configured(rigged, nightly("all", more='args = ["cellar"]\n'))
    steps = Steps(rigged, broker, lambda: config)
    steps.look()
    seen_to(rigged, now_ms() - HOUR - MINUTE)
    with rigged.rig.worker():
        steps.look()
        wait_until(lambda: "cellar" in rigged.notes("tidied"))
    states = rows(rigged.database, "SELECT DISTINCT state FROM jobs")
    assert states in ([(JobState.SUCCESS,)], [(JobState.STARTED,), (JobState.SUCCESS,)])


def test_dead_letters_are_given_a_second_chance_elsewhere_by_a_schedule(
    rigged: JobRig, broker: WakeBroker
) -> None:
    config = configured(
        rigged,
        '[destinations.spare]\nurl = "https://spare.example.com"\n'
        '[schedules.nightly]\nevery = "1h"\njob = "bulk_replay"\n'
        'kwargs = { dataset = "deliveries", state = "dead", to = "spare" }\n',
    )
    died = gave_up(rigged.database)
    steps = Steps(rigged, broker, lambda: config)
    steps.look()
    seen_to(rigged, now_ms() - HOUR - MINUTE)
    with rigged.rig.worker():
        steps.look()
        wait_until(
            lambda: rows(rigged.database, "SELECT 1 FROM deliveries WHERE destination = 'spare'")
        )
    replaced = "SELECT id FROM deliveries WHERE destination = 'spare'"
    assert rows(rigged.database, "SELECT replayed_as FROM deliveries WHERE id = :id", id=died) == (
        rows(rigged.database, replaced)
    )


def gave_up(database: Database) -> str:
    """A delivery of yesterday that is dead; its id."""
    dispatched(database, "gone", received_at=now_ms() - 24 * HOUR)
    ended = "UPDATE deliveries SET id = :id, state = 'dead', wake_at = NULL, finished_at = 1"
    died = new_id(now_ms() - 24 * HOUR)
    execute(database, ended, id=died)
    return died


def test_without_the_broker_the_job_is_made_and_only_late(
    rigged: JobRig,
) -> None:
    nobody = build_broker("redis://127.0.0.1:1/0", [])
    steps = after_an_outage(rigged, nobody, "all")
    steps.look()
    assert len(fired(rigged)) in {5, 6}


def test_without_the_database_the_scheduler_goes_on(
    rigged: JobRig, broker: WakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(rigged, nightly())
    scheduler = Scheduler(rigged.database, broker, lambda: config)

    def away(_db: object) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(schedules, "look", away)
    assert scheduler.tick(0) is False
    monkeypatch.undo()
    scheduler.tick(1)
    assert "nightly" in schedules.look(rigged.database)[1]
