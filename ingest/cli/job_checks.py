"""What ``doctor`` asks about jobs: whether they get on, and what was given up of late."""

from collections.abc import Iterator

from ingest.cli import output
from ingest.cli.findings import Finding, fail, ok, warn
from ingest.jobs.states import JobState
from ingest.store import Database, job_ledger, ledger

#: Jobs may have to wait for each other, but not while none of them runs.
_VERY_LATE_MS = 60_000
_DAY_MS = 86_400_000
#: Jobs that failed for good; nobody reads more, and a person waits for them to be counted.
_NEWEST = 10_000


def check_jobs(database: Database) -> Iterator[Finding]:
    """Whether jobs are started, and which came to no good end."""
    yield _check_waiting(database)
    yield _check_failed(database)


def _check_waiting(database: Database) -> Finding:
    depths = ledger.depths(database)
    pending = [one for one in depths if one.state == JobState.PENDING]
    waiting = sum(one.count for one in pending)
    running = sum(one.count for one in depths if one.state == JobState.STARTED)
    late = max((one.oldest_age_ms or 0 for one in pending), default=0)
    message = f"{waiting:,} wait, {running:,} run"
    if late < _VERY_LATE_MS:
        return ok("jobs", message)
    message += f"; the oldest is due since {output.ago(late)}"
    if running:
        return ok("jobs", message)
    return fail(
        "jobs",
        message,
        "See that a scheduler and workers run. Which they are: hookkeeper jobs list "
        "--status pending",
    )


def _check_failed(database: Database) -> Finding:
    found = job_ledger.failures(database, _DAY_MS, _NEWEST)
    if not found:
        return ok("failed jobs", "none in 24 hours")
    counts = ", ".join(f"{count:,} {code}" for code, count in sorted(found.items()))
    return warn(
        "failed jobs",
        f"given up in 24 hours: {counts}",
        "See why: hookkeeper jobs list --status failure",
    )
