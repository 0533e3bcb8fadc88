"""Bulk replays by request: counted first if one likes, then made as a job."""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from ingest import routing
from ingest.console.answering import Answer
from ingest.console.asking import Asked, IdempotencyKey, Name
from ingest.console.desk import Desk
from ingest.console.keeping import MadeJob, new_id, planned, told, trace_id
from ingest.console.operations import Operation
from ingest.console.wanted import RowsBody
from ingest.jobs.workflow import Call
from ingest.replaying import Replay, read_replay, read_target
from ingest.store import bulk_replay as store
from ingest.store.filtering import stored_sources
from ingest.store.ids import made_at

_PATH = "/api/v1/replays"


class ReplayBody(RowsBody):
    """What to replay, to where, and how fast."""

    to: Name | None = Field(
        default=None,
        description="The only destination or handler; null: events are routed again, deliveries "
        "go to where each went.",
    )
    rate: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="At most so many a second."
    )


class Preview(Answer):
    """What a replay would mean now."""

    matching: int = Field(description="Exactly so many rows.")
    since: int
    until: int = Field(description="Give both to replay what was counted, and nothing newer.")


class PreviewReplay(Asked):
    """A replay that is only looked at."""

    body: ReplayBody = ReplayBody()


class MakeReplay(PreviewReplay):
    """A replay that is to be made."""

    idempotency_key: IdempotencyKey | None = None


def preview_replay(desk: Desk, asked: PreviewReplay) -> Preview:
    """Count, and change nothing."""
    replay, _ = _read(desk, asked.body, made_at(new_id()))
    return Preview(
        matching=store.count(desk.database, replay),
        since=replay.range.since,
        until=replay.range.until,
    )


def make_replay(desk: Desk, asked: MakeReplay) -> Response:
    """Count, and make the job that replays what was counted."""
    job_id = new_id()
    replay, call = _read(desk, asked.body, made_at(job_id))
    plan = planned(desk, call, job_id, "types")
    total = store.count(desk.database, replay)
    key = asked.idempotency_key
    made = store.create(desk.database, plan, total, trace_id=trace_id(), idempotency_key=key)
    return told(desk, made)


def _read(desk: Desk, body: ReplayBody, now: int) -> tuple[Replay, Call]:
    """Check what is asked for; times count from ``now`` (ms). Raises filters.Refused."""
    words = body.words()
    loaded = desk.loaded
    targets = routing.targets(loaded.config, loaded.handlers)
    target = read_target(words.pop("to", None), body.destination, targets)
    sources = stored_sources(desk.database)
    replay = read_replay(**words, target=target, sources=sources, now=now)
    if target is not None:
        words["target"] = asdict(target)
    return replay, Call("bulk_replay", (), words)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="POST",
        path=f"{_PATH}/preview",
        name="preview_replay",
        tag="replays",
        summary="Count what a replay would replay. Nothing is changed.",
        asks=PreviewReplay,
        does=preview_replay,
        answers={200: Preview},
    ),
    Operation(
        method="POST",
        path=_PATH,
        name="make_replay",
        tag="replays",
        summary="Replay all events or deliveries that a filter and a range mean, under generations "
        "of their own.",
        asks=MakeReplay,
        does=make_replay,
        answers={202: MadeJob},
        refuses=(409,),
    ),
)
