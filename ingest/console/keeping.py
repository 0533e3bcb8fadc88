"""Jobs that a request makes: kept first, then a worker is woken; the answer has the id."""

import secrets

import uuid_utils
from starlette.responses import Response

from ingest.console.answering import Answer
from ingest.console.desk import Desk
from ingest.console.operations import reply
from ingest.console.refusals import invalid
from ingest.console.watching import found_job
from ingest.jobs.enqueuing import wake
from ingest.jobs.kinds import Kinds
from ingest.jobs.states import JobState, Made, Plan
from ingest.jobs.workflow import Call, plan
from ingest.store import jobs

PATH = "/api/v1/jobs"


class MadeJob(Answer):
    """A job that is kept, and will run."""

    job_id: str
    status: JobState


def new_id() -> str:
    """The id of a job that is to be made."""
    return str(uuid_utils.uuid7())


def trace_id() -> str:
    """A trace that begins with this request."""
    return secrets.token_hex(16)


def planned(desk: Desk, call: Call, job_id: str, field: str) -> Plan:
    """The one job of a call. Raises Refused, for ``field``, where its arguments cannot be kept."""
    try:
        return plan(call, Kinds(desk.loaded.jobs).queue_of, lambda: job_id)
    except ValueError as error:
        raise invalid(field, str(error)) from None


def keep(desk: Desk, job: Plan, key: str | None) -> Response:
    """Make a job, and tell of it. Raises Conflict."""
    made = jobs.create(desk.database, job, trace_id=trace_id(), idempotency_key=key)
    return told(desk, made)


def told(desk: Desk, made: Made) -> Response:
    """Wake a worker for a job, and tell of it; of one that was made before, as it is now."""
    wake(desk.broker, made)
    (job_id,) = made.ids
    status = found_job(desk, job_id).state if made.repeated else JobState.PENDING
    return reply(MadeJob(job_id=job_id, status=status), 202, location=f"{PATH}/{job_id}")
