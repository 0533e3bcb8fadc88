"""Rejected requests: listed, explained, downloaded, verified again."""

from typing import Annotated, Any

import uuid_utils
from pydantic import Field
from starlette.responses import Response

from ingest.console.answering import Answer, Page
from ingest.console.asking import AfterId, Asked, Body, Id, Limit, Moment, Name, whole_id
from ingest.console.desk import Desk
from ingest.console.operations import Operation
from ingest.explaining import explain
from ingest.queue import publish_events
from ingest.rejection import RejectedState
from ingest.reverifying import Reverifying, Tally
from ingest.store import rejected as store
from ingest.store.rejected import Wanted
from ingest.waited_keys import WaitedKeys

_PATH = "/api/v1/rejected"
#: Requests that one POST verifies; it names where the next goes on.
_MOST = 1_000


class RejectedItem(Answer):
    """A rejected request in a list."""

    id: str
    source: str
    received_at: int
    expires_at: int = Field(description="When it is forgotten.")
    method: str
    url: str
    content_type: str
    size: int = Field(description="Bytes that keeping it takes.")
    reason: str = Field(description="A stable word, such as bad_signature.")
    detail: str = Field(description="For people: what exactly did not fit.")
    trace_id: str
    state: RejectedState
    released_event_id: str | None = Field(description="What it became.")
    released_at: int | None


class StepItem(Answer):
    """One thing that was checked."""

    checked: str
    result: str = Field(description="passed, failed, or not reached.")


class RejectedDetail(RejectedItem):
    """A rejected request, what came with its body, and why it was rejected."""

    headers: list[tuple[str, str]] = Field(
        description="In the order received; values of credentials are keyed digests."
    )
    body_bytes: int = Field(description="The size of what /body downloads.")
    steps: list[StepItem]
    advice: str


class Reverified(Answer):
    """What verifying again came to."""

    checked: int
    released: int
    duplicates: int = Field(description="Released to an event that had come in another way.")
    refused: dict[str, int] = Field(description="Still refused, by today's reason.")
    next: str | None = Field(description="Give it as `after` to go on; null: that was all.")


class ListRejected(Asked):
    """Filters of a list of rejected requests."""

    source: Name | None = None
    reason: Name | None = None
    state: RejectedState | None = None
    since: Moment | None = Field(default=None, description="Received at this time or later.")
    after: AfterId | None = None
    limit: Limit = 50


class OneRejected(Asked):
    """Names a rejected request."""

    rejected_id: str


class ReverifyBody(Body):
    """Which requests to verify again; without anything, all that are kept."""

    id: Id | None = Field(default=None, description="Only this one.")
    source: Name | None = None
    reason: Name | None = None
    since: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Received at this time (ms) or later."
    )
    after: Id | None = Field(default=None, description="`next` of the answer before.")


class Reverify(Asked):
    """Asks to verify again."""

    body: ReverifyBody = ReverifyBody()


def list_rejected(desk: Desk, asked: ListRejected) -> Page[RejectedItem]:
    """One more is read than shown, to know whether there is a next page."""
    wanted = Wanted(asked.source, asked.reason, asked.state, asked.since)
    rows = store.list_rejected(desk.database, wanted, limit=asked.limit + 1, before_id=asked.after)
    items = [RejectedItem.model_validate(row) for row in rows[: asked.limit]]
    return Page(items=items, next=items[-1].id if len(rows) > asked.limit else None)


def get_rejected(desk: Desk, asked: OneRejected) -> RejectedDetail:
    """Everything but the body, and what it failed at."""
    found = store.get_rejected(desk.database, whole_id(asked.rejected_id, "rejected request"))
    explanation = explain(found.reason)
    return RejectedDetail(
        **RejectedItem.model_validate(found).model_dump(),
        headers=list(found.headers),
        body_bytes=len(found.body),
        steps=[StepItem.model_validate(step) for step in explanation.steps],
        advice=explanation.advice,
    )


def get_body(desk: Desk, asked: OneRejected) -> Response:
    """The bytes as received. Anybody may have sent them: to be saved, never to be shown."""
    found = store.get_rejected(desk.database, whole_id(asked.rejected_id, "rejected request"))
    headers = {"content-disposition": f'attachment; filename="{found.id}"'}
    return Response(found.body, 200, headers, "application/octet-stream")


def reverify(desk: Desk, asked: Reverify) -> Reverified:
    """Verify up to ``_MOST`` again, as of their receipt, and release what passes."""
    tally = Tally()
    with WaitedKeys() as keys:
        run = Reverifying(
            desk.database,
            desk.believed(),
            desk.key,
            lambda ids: publish_events(desk.broker, ids),
            keys.fetch,
            desk.origin,
        )
        more = _reverify(run, desk, asked.body, tally)
    return Reverified(
        checked=tally.checked,
        released=tally.released,
        duplicates=tally.duplicates,
        refused=dict(tally.refused),
        next=tally.last_id if more else None,
    )


def _reverify(run: Reverifying, desk: Desk, body: ReverifyBody, tally: Tally) -> bool:
    """Verify the one or the next ones; whether there may be more."""
    if body.id is not None:
        run.one(store.get_rejected(desk.database, body.id), tally)
        return False
    wanted = Wanted(body.source, body.reason, None, body.since)
    until_id = str(uuid_utils.uuid7())
    more = True
    while more and tally.checked < _MOST:
        more = run.run(wanted, tally, after_id=body.after or "", until_id=until_id)
    return more


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path=_PATH,
        name="list_rejected",
        tag="rejected",
        summary="List requests that proved nothing, the newest first.",
        asks=ListRejected,
        does=list_rejected,
        answers={200: Page[RejectedItem]},
    ),
    Operation(
        method="POST",
        path=_PATH + "/reverify",
        name="reverify_rejected",
        tag="rejected",
        summary="Verify kept requests again with today's secrets, and release those that pass.",
        asks=Reverify,
        does=reverify,
        answers={200: Reverified},
        refuses=(404,),
    ),
    Operation(
        method="GET",
        path=_PATH + "/{rejected_id}",
        name="get_rejected",
        tag="rejected",
        summary="Look at a rejected request: what was checked, what failed, what to do.",
        asks=OneRejected,
        does=get_rejected,
        answers={200: RejectedDetail},
        refuses=(404,),
    ),
    Operation(
        method="GET",
        path=_PATH + "/{rejected_id}/body",
        name="get_rejected_body",
        tag="rejected",
        summary="Download a rejected request's body, byte for byte as received.",
        asks=OneRejected,
        does=get_body,
        answers={200: None},
        media_type="application/octet-stream",
        refuses=(404,),
    ),
)
