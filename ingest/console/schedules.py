"""Schedules: what is done by itself, and when."""

from typing import Any

from pydantic import Field

from ingest.console.answering import Answer, Page
from ingest.console.asking import Asked
from ingest.console.desk import Desk
from ingest.console.operations import Operation
from ingest.schedule_list import Listed, Origin, listed
from ingest.schedules import CatchUp


class ScheduleItem(Answer):
    """A schedule; of a disabled one there may be no more than its name."""

    name: str
    origin: Origin
    enabled: bool
    job: str | None = Field(description="The kind of the jobs that it makes.")
    times: str | None = Field(description="A cron expression, or an interval.")
    zone: str | None = Field(description='A time zone; "" for an interval.')
    catch_up: CatchUp | None
    next_at: int | None
    last_at: int | None = Field(description="For when it made the last job that is still known.")


def list_schedules(desk: Desk, _asked: Asked) -> Page[ScheduleItem]:
    """All of them; there is no second page."""
    found = listed(desk.database, desk.loaded.config)
    return Page(items=[_item(one) for one in found], next=None)


def _item(one: Listed) -> ScheduleItem:
    schedule = one.schedule
    return ScheduleItem(
        name=one.name,
        origin=one.origin,
        enabled=one.enabled,
        job=schedule.call.kind if schedule else None,
        times=str(schedule.times) if schedule else None,
        zone=schedule.zone if schedule else None,
        catch_up=schedule.catch_up if schedule else None,
        next_at=one.next_at,
        last_at=one.last_at,
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/api/v1/schedules",
        name="list_schedules",
        tag="schedules",
        summary="List the schedules: shipped, of the configuration, and of handler modules.",
        asks=Asked,
        does=list_schedules,
        answers={200: Page[ScheduleItem]},
    ),
)
