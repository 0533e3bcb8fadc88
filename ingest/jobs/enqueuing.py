"""Making jobs: from a job, a handler, or a program of the user's own.

The id is there before anything is queued, and the job is in the database; a broker that does not
answer costs half a second.
"""

import os
import secrets
from functools import cache
from pathlib import Path

import structlog
import uuid_utils

from ingest.config.settings import load_settings
from ingest.errors import BrokerUnavailable
from ingest.jobs.kinds import Kinds
from ingest.jobs.states import Made
from ingest.jobs.workflow import Call, Work, plan
from ingest.queue import WakeBroker, build_broker, publish_jobs
from ingest.store import Database, jobs, open_database

logger = structlog.get_logger(__name__)


def enqueue(
    work: Work, *, on_error: Call | None = None, idempotency_key: str | None = None
) -> list[str]:
    """Make the jobs of some work and wake the workers; return the ids, in the work's order.

    ``on_error``: a job that runs, once, if any of them fails for good. The same
    ``idempotency_key`` again, with the same work, returns the same ids.

    The settings are those of the environment and the folder it is called in. It waits for a
    commit: in a coroutine, ``await asyncio.to_thread(enqueue, ...)``. Raises ValueError for
    arguments that cannot be kept, Conflict for a key that stands for other work, StoreUnavailable.
    """
    database, broker = _opened()
    made = make(database, work, on_error, idempotency_key, secrets.token_hex(16))
    wake(broker, made)
    return made.ids


def make(
    database: Database,
    work: Work,
    on_error: Call | None,
    idempotency_key: str | None,
    trace_id: str,
) -> Made:
    """Write the jobs of some work. Raises as ``enqueue``."""
    planned = plan(work, Kinds({}).queue_of, lambda: str(uuid_utils.uuid7()), on_error=on_error)
    return jobs.create(database, planned, trace_id=trace_id, idempotency_key=idempotency_key)


def wake(broker: WakeBroker, made: Made) -> None:
    """Publish what may start at once; where that fails, its wake time serves."""
    try:
        publish_jobs(broker, made.due)
    except BrokerUnavailable as error:
        logger.warning("publish.failed", ids=len(made.due), reason=str(error))


@cache
def _opened() -> tuple[Database, WakeBroker]:
    """Open this process's database and broker, once."""
    settings = load_settings(os.environ, Path.cwd())
    return open_database(settings.database_url), build_broker(settings.broker_url, [])
