"""What ``doctor`` asks of the database: whether it is durable, current, and keeps its promises."""

from collections.abc import Iterator

from ingest.cli import output
from ingest.cli.findings import Finding, fail, ok, warn
from ingest.cli.job_checks import check_jobs
from ingest.cli.located import sqlite_file
from ingest.config.settings import Settings, masked
from ingest.errors import StoreRefused, StoreUnavailable
from ingest.jobs.states import JobState
from ingest.store import Database, ledger, open_database, workers
from ingest.store.destinations import paused

#: The scheduler publishes what is due every second or so; this late, none is at work.
_LATE_MS = 15_000
_VERY_LATE_MS = 60_000
#: Events, and as many deliveries, that a person waits to have checked: all of 10 million would take
#: minutes. The scheduler checks the rest, over and over (hookkeeper_violations).
_NEWEST = 100_000


def check_store(settings: Settings) -> Iterator[Finding]:
    """Everything the database can tell; one finding where it cannot be opened."""
    url = settings.database_url
    file = sqlite_file(url)
    if file is not None and not file.exists():
        yield fail("database", f"{file} does not exist", "Start a pipeline here: hookkeeper up")
        return
    try:
        database = open_database(url, check_schema=False)
    except StoreUnavailable as error:
        yield fail(
            "database",
            f"{masked(url)} cannot be reached: {error}; every event is answered 503",
            "Start it, or correct HOOKKEEPER_DATABASE_URL. Senders will try again.",
        )
        return
    except StoreRefused as error:
        yield fail("database", str(error), "Nothing was acknowledged that could be lost.")
        return
    try:
        yield ok("database", f"{masked(url)} answers")
        yield from _check_opened(database, url)
    except StoreUnavailable as error:
        yield fail("database", str(error), "Look at the database's own log.")
    finally:
        database.close()


def _check_opened(database: Database, url: str) -> Iterator[Finding]:
    yield _check_durability(database)
    try:
        open_database(url).close()
    except StoreRefused as error:
        yield fail("migrations", str(error), "Run: hookkeeper migrate")
        return
    yield ok("migrations", "the schema is current")
    for check in (_check_workers, _check_lag, _check_ledger, _check_dead, check_jobs):
        yield from check(database)


def _check_durability(database: Database) -> Finding:
    """An acknowledged event must survive a power cut: read the settings that decide it."""
    name = "durability"
    with database.read() as tx:

        def value(statement: str) -> str:
            return str(tx.exec_driver_sql(statement).scalar()).lower()

        if database.dialect == "sqlite":
            found = {each: value(f"PRAGMA {each}") for each in ("journal_mode", "synchronous")}
            safe = found["journal_mode"] == "wal" and found["synchronous"] in {"2", "3"}
        else:
            names = ("fsync", "synchronous_commit", "full_page_writes")
            found = {each: value(f"SHOW {each}") for each in names}
            safe = "off" not in found.values()
    shown = ", ".join(f"{setting} = {each}" for setting, each in found.items())
    if safe:
        return ok(name, f"a commit survives a crash ({shown})")
    lost = f"a crash may lose acknowledged events ({shown})"
    return fail(name, lost, "Set these to their safe values.")


def _check_workers(database: Database) -> Iterator[Finding]:
    count = len(workers.live(database))
    if count:
        yield ok("workers", f"{count} live")
        return
    yield fail(
        "workers",
        "none is alive: events are accepted and kept, none is delivered",
        "Start one: hookkeeper worker (hookkeeper up starts them too)",
    )


def _check_lag(database: Database) -> Iterator[Finding]:
    """Jobs are apart: they may have to wait for each other as long as they take."""
    depths = [one for one in ledger.depths(database) if one.state != JobState.PENDING]
    waiting = sum(depth.count for depth in depths if depth.oldest_age_ms is not None)
    late = max((depth.oldest_age_ms or 0 for depth in depths), default=0)
    resting = [each.name for each in paused(database)]
    aside = f" (paused: {', '.join(resting)})" if resting else ""
    message = f"{waiting:,} wait, nothing is late{aside}"
    if late >= _LATE_MS:
        message = f"{waiting:,} wait; the oldest is due since {output.ago(late)}{aside}"
    if late < _LATE_MS:
        yield ok("scheduler", message)
    else:
        advice = "See that a scheduler runs (hookkeeper scheduler) and that workers keep up."
        yield (fail if late >= _VERY_LATE_MS else warn)("scheduler", message, advice)


def _check_ledger(database: Database) -> Iterator[Finding]:
    found = ledger.violations(database, _NEWEST)
    broken = {name: count for name, count in found.items() if count}
    if not broken:
        yield ok("ledger", f"every event is accounted for (of the newest {_NEWEST:,})")
    for name, count in broken.items():
        yield fail(
            "ledger",
            f"{name}: {count:,} rows break this promise",
            "Nothing was deleted. Look at the workers and the scheduler first; then report it.",
        )


def _check_dead(database: Database) -> Iterator[Finding]:
    dead = {state: count for state, count in ledger.dead_letters(database).items() if count}
    if not dead:
        yield ok("dead letters", "none")
        return
    counts = ", ".join(f"{count:,} {state}" for state, count in dead.items())
    yield warn(
        "dead letters",
        f"deliveries were given up: {counts}",
        "See why: hookkeeper dead list. Again: hookkeeper dead replay ID (or --all)",
    )
