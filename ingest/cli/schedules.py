"""``hookkeeper schedules``: what is done by itself, and when."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import TYPE_CHECKING, Any

from ingest.cli import output
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.schedule_list import Listed


def list_(as_json: Json = False) -> None:
    """List all schedules: shipped, in hookkeeper.toml, and marked in handler modules."""
    from ingest.cli.located import located_database, located_settings
    from ingest.cli.located_config import located_config
    from ingest.schedule_list import listed

    settings = located_settings()
    with located_database(settings) as database:
        found = listed(database, located_config(settings))
    if as_json:
        output.document([told(one) for one in found])
        return
    output.table(
        ("name", "job", "times", "zone", "next", "last", "origin"),
        [_row(one) for one in found],
        spare=("origin", "zone", "last", "job"),
    )


def told(one: "Listed") -> dict[str, Any]:
    """A schedule for programs; times in ms."""
    schedule = one.schedule
    return {
        "name": one.name,
        "origin": one.origin,
        "enabled": one.enabled,
        "job": schedule and schedule.call.kind,
        "times": schedule and str(schedule.times),
        "zone": schedule and schedule.zone,
        "catch_up": schedule and schedule.catch_up,
        "next_at": one.next_at,
        "last_at": one.last_at,
    }


def _row(one: "Listed") -> tuple[object, ...]:
    schedule = one.schedule
    next_fire = output.moment(one.next_at) if one.enabled else "disabled"
    said = (schedule.call.kind, schedule.times, schedule.zone) if schedule else ("", "", "")
    return (one.name, *said, next_fire, output.moment(one.last_at), one.origin)
