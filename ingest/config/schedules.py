"""[schedules.<name>] -> Schedule, and the schedules that are there without being asked for."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ingest.config.mistakes import Mistakes, did_you_mean, listed
from ingest.config.model import Schedules
from ingest.config.schedule_arguments import CHECKS, Surroundings
from ingest.config.schema import ScheduleTable, read_table
from ingest.errors import ConfigError
from ingest.jobs.kinds import BUILT_IN, Kinds
from ingest.jobs.marked_schedules import NAME, NAME_RULE
from ingest.jobs.specs import DEFAULT_QUEUE, JobSpec
from ingest.jobs.workflow import Call, spelled
from ingest.schedules import CatchUp, Schedule
from ingest.times import Times, WrongTimes, times_of

#: The schedules that are there by themselves, and when they fire; each has a job of its own name.
SHIPPED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "retention": {"every": "10m"},
        "cleanup": {"every": "6h"},
        "report": {"cron": "0 2 * * *"},
    }
)


def read_schedules(raw: Mapping[str, Any], around: Surroundings, mistakes: Mistakes) -> Schedules:
    """The schedules of a file, with the shipped ones as it changes them."""
    active: dict[str, Schedule] = {}
    disabled: set[str] = set()
    report_to: tuple[str, ...] = ()
    for name, given in {**SHIPPED, **raw}.items():
        table = f"schedules.{name}"
        if not NAME.fullmatch(name):
            mistakes.add("schedules", name, NAME_RULE)
        read = read_table(ScheduleTable, given, table, mistakes)
        if read is None:
            continue
        call = _call(name, read, around, mistakes)
        times = _times(name, read, table, mistakes)
        if not read.enabled:
            disabled.add(name)
        elif call is not None and times is not None:
            active[name] = Schedule(name, call, times, _catch_up(read, table, mistakes))
            report_to = tuple(read.kwargs.get("to", ())) if name == "report" else report_to
    return Schedules(
        active=MappingProxyType(_completed(active)),
        disabled=frozenset(disabled),
        report_to=report_to,
    )


def check_schedules(
    schedules: Schedules, jobs: Mapping[str, JobSpec], marked: Mapping[str, Schedule]
) -> None:
    """Raise ConfigError for a schedule of the file whose job is none, or is not called so.

    ``jobs``: those of users' modules, ``marked``: their schedules. Only who imports the modules
    can know.
    """
    kinds = Kinds(jobs)
    for name, schedule in schedules.active.items():
        table, call = f"[schedules.{name}]", schedule.call
        if name in marked:
            raise ConfigError(
                f"{table} and a function with @schedule have the same name; rename one of them, "
                "or disable the function's: enabled = false"
            )
        try:
            queue = kinds.queue_of(call.kind)
        except ValueError as error:
            raise ConfigError(f"{table} job: {error}") from None
        try:
            kinds.check(call)
        except ValueError as error:
            raise ConfigError(f"{table} kwargs: {error}") from None
        if queue != call.queue:
            raise ConfigError(f'{table} queue: {call.kind} has its own: write queue = "{queue}"')


def _times(name: str, read: ScheduleTable, table: str, mistakes: Mistakes) -> Times | None:
    """When it fires: a shipped one as it is shipped, where the file does not say."""
    expression, interval_ms = read.cron, read.every
    if name in SHIPPED and expression is None and interval_ms is None:
        usual = ScheduleTable.model_validate(SHIPPED[name])
        expression, interval_ms = usual.cron, usual.every
    if not read.enabled and expression is None and interval_ms is None:
        return None
    try:
        return times_of(expression, interval_ms, read.zone)
    except WrongTimes as error:
        mistakes.add_missing(table, error.key, str(error))
        return None


def _catch_up(read: ScheduleTable, table: str, mistakes: Mistakes) -> CatchUp:
    if read.catch_up not in list(CatchUp):
        hint = did_you_mean(read.catch_up, CatchUp)
        mistakes.add(table, "catch_up", f"{read.catch_up!r} is none; {hint}")
        return CatchUp.ONCE
    return CatchUp(read.catch_up)


def _call(name: str, read: ScheduleTable, around: Surroundings, mistakes: Mistakes) -> Call | None:
    """The job that it makes."""
    table = f"schedules.{name}"
    kind = read.job or (name if name in SHIPPED else None)
    if kind is None:
        if read.enabled:
            mistakes.add_missing(table, "job", 'is missing; name a job, such as "export"')
        return None
    for one in SHIPPED:
        if (kind == one) != (name == one):
            mistakes.add(table, "job", f"{one} has its own schedule; change [schedules.{one}]")
            return None
    check = CHECKS.get(kind)
    if check is None:
        if kind in BUILT_IN:
            mistakes.add(table, "job", f"{kind!r} cannot be scheduled; {listed(CHECKS)} can")
            return None
        return _own(kind, read, table, mistakes)
    if read.args:
        mistakes.add(table, "args", f"{kind} takes kwargs alone")
    if read.queue not in (None, DEFAULT_QUEUE):
        mistakes.add(table, "queue", f'{kind} has its own, "{DEFAULT_QUEUE}"; leave it out')
    kwargs = check(read.kwargs, f"{table}.kwargs", around, mistakes)
    return None if kwargs is None else Call(kind, (), kwargs, DEFAULT_QUEUE)


def _own(kind: str, read: ScheduleTable, table: str, mistakes: Mistakes) -> Call | None:
    """A job of the user's; whether there is one, ``check_schedules`` knows."""
    try:
        spelled(read.args, read.kwargs)
    except ValueError as error:
        mistakes.add(table, "kwargs", str(error))
        return None
    return Call(kind, tuple(read.args), read.kwargs, read.queue or DEFAULT_QUEUE)


def _completed(active: dict[str, Schedule]) -> dict[str, Schedule]:
    """Give shipped jobs what only the other schedules, or their own times, say."""
    completed = dict(active)
    if "cleanup" in active:
        completed["cleanup"] = _with(active["cleanup"], schedules=sorted(active))
    if "report" in active:
        zone = active["report"].zone or "UTC"
        completed["report"] = _with(active["report"], zone=zone)
    return completed


def _with(schedule: Schedule, **more: Any) -> Schedule:
    call = schedule.call
    return replace(schedule, call=replace(call, kwargs={**call.kwargs, **more}))
