"""Users' schedules: jobs that say with ``@schedule`` when they are made.

    @schedule("0 2 * * *", zone="Europe/Berlin")
    @job(max_retries=3)
    def tidy(context: JobContext) -> None: ...

The decorator only marks the function, above or below ``@job``, and more than once if need be.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from ingest.config.durations import parse_duration
from ingest.config.mistakes import did_you_mean
from ingest.errors import ConfigError
from ingest.jobs.specs import JobSpec
from ingest.jobs.workflow import Call, spelled
from ingest.marks import JOB, SCHEDULES, marked, own_name
from ingest.schedules import CatchUp, Schedule
from ingest.times import Times, WrongTimes, times_of

F = TypeVar("F", bound=Callable[..., Any])

#: As in hookkeeper.toml; a dot, because a job's own name has some.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
NAME_RULE = "a schedule's name is 1 to 100 letters, digits, -, _ and dots, no - or dot first"


@dataclass(frozen=True, slots=True)
class Mark:
    """What one ``@schedule`` says. ``name`` None: the job's."""

    times: Times
    catch_up: CatchUp
    name: str | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def schedule(
    cron: str | None = None,
    *,
    every: str | None = None,
    zone: str | None = None,
    catch_up: str = CatchUp.ONCE,
    name: str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Make this job at the times of a cron expression in a time zone (UTC), or every "15m".

    ``args`` and ``kwargs`` are what it is called with. ``catch_up``: of times that were missed
    while no scheduler ran, ``skip`` all, make one job for them ``once``, or make them ``all``.
    Raises ConfigError at once where an argument cannot be right.
    """
    mark = Mark(_times(cron, every, zone), _catch_up(catch_up), name, tuple(args), kwargs or {})
    if name is not None and not NAME.fullmatch(name):
        raise ConfigError(f"@schedule: name: {NAME_RULE}, not {name!r}")

    def add(function: F) -> F:
        marks = (*getattr(function, SCHEDULES, ()), mark)
        setattr(function, SCHEDULES, marks)
        return function

    return add


def schedules_of(modules: Sequence[ModuleType]) -> Mapping[str, Schedule]:
    """Collect what modules mark with ``@schedule``, by name.

    Raises ConfigError where that is no job, two have one name, or a job does not take what it is
    to be called with.
    """
    found: dict[str, Schedule] = {}
    seen: set[int] = set()
    for module in modules:
        for function, marks in marked(module, SCHEDULES):
            if id(function) in seen:
                continue  # one that another module imports
            seen.add(id(function))
            spec = getattr(function, JOB, None)
            if not isinstance(spec, JobSpec):
                raise ConfigError(
                    f"handlers: {own_name(function)} has @schedule and is no job; add @job()"
                )
            for mark in marks:
                one = _schedule(spec, mark)
                if one.name in found:
                    raise ConfigError(
                        f"handlers: two schedules are named {one.name!r}; give one of them "
                        "another name: @schedule(..., name=...)"
                    )
                found[one.name] = one
    return MappingProxyType(found)


def _schedule(spec: JobSpec, mark: Mark) -> Schedule:
    name = mark.name or spec.kind
    kwargs = dict(mark.kwargs)
    try:
        spec.check_arguments(mark.args, kwargs)
        spelled(mark.args, kwargs)
    except ValueError as error:
        raise ConfigError(f"handlers: the schedule {name}: {error}") from None
    return Schedule(name, Call(spec.kind, mark.args, kwargs, spec.queue), mark.times, mark.catch_up)


def _times(cron: str | None, every: str | None, zone: str | None) -> Times:
    try:
        interval_ms = None if every is None else parse_duration(every)
    except ValueError as error:
        raise ConfigError(f"@schedule: every: {error}") from None
    try:
        return times_of(cron, interval_ms, zone)
    except WrongTimes as error:
        raise ConfigError(f"@schedule: {error.key}: {error}") from None


def _catch_up(word: str) -> CatchUp:
    if word not in list(CatchUp):
        raise ConfigError(f"@schedule: catch_up: {word!r}; {did_you_mean(word, CatchUp)}")
    return CatchUp(word)
