"""What the jobs that Hookkeeper brings are called with by a schedule: its ``kwargs``, checked."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ingest.config.mistakes import Mistakes, did_you_mean
from ingest.config.model import Destination
from ingest.config.schema import (
    CleanupArguments,
    ExportArguments,
    NoArguments,
    ReplayArguments,
    ReportArguments,
    read_table,
)
from ingest.events import Target

#: As ``since`` of an export: from where the last one ended.
_LAST = "last"
#: 2100-01-01 (ms): no time that somebody writes is after it.
_FAR = 4_102_444_800_000


class Surroundings(NamedTuple):
    """What a schedule may speak of. ``folder``: of hookkeeper.toml.

    ``destinations``: by name; None where there is a mistake in one.
    """

    folder: Path
    sources: Collection[str]
    destinations: Mapping[str, Destination | None]
    retention_days: int
    retention_by_source: Mapping[str, int]


def _export(
    kwargs: dict[str, Any], table: str, around: Surroundings, mistakes: Mistakes
) -> dict[str, Any] | None:
    # Imported here: it brings the database's library, which not every process needs.
    from ingest.export.allowed import resolved  # noqa: PLC0415 - see above
    from ingest.export.allowed import spelled as place_of  # noqa: PLC0415 - see above
    from ingest.export.words import read_request  # noqa: PLC0415 - see above
    from ingest.filters import Refused, read_range  # noqa: PLC0415 - see above

    read = read_table(ExportArguments, kwargs, table, mistakes)
    if read is None:
        return None
    if read.to is None:
        mistakes.add_missing(table, "to", 'is missing; name a place, such as "exports"')
        return None
    if read.since not in (None, _LAST):
        reason = f'a schedule goes on where its last run ended: write "{_LAST}", or leave it out'
        mistakes.add(table, "since", reason)
        return None
    wanted = read.model_dump(exclude={"to", "since"}, exclude_unset=True)
    try:
        read_request(**wanted, sources=around.sources)
        read_range(None, read.until, _FAR)
        to = place_of(resolved(read.to, around.folder))
    except Refused as refused:
        mistakes.add(table, _key(refused.field), refused.reason)
        return None
    return {**wanted, "to": to, "since": _LAST}


def _replay(
    kwargs: dict[str, Any], table: str, around: Surroundings, mistakes: Mistakes
) -> dict[str, Any] | None:
    # Imported here, as above.
    from ingest.filters import Dataset, Refused  # noqa: PLC0415 - see above
    from ingest.replaying import read_replay  # noqa: PLC0415 - see above

    read = read_table(ReplayArguments, kwargs, table, mistakes)
    if read is None:
        return None
    wanted = read.model_dump(exclude={"to"}, exclude_unset=True)
    try:
        replay = read_replay(**wanted, sources=around.sources, now=_FAR)
    except Refused as refused:
        mistakes.add(table, _key(refused.field), refused.reason)
        return None
    if replay.dataset is Dataset.EVENTS and read.since is None:
        # What is replayed stays an event, unlike a dead letter, which is replayed once.
        reason = 'is missing: without it each run replays all events anew; write "1d"'
        mistakes.add_missing(table, "since", reason)
        return None
    if read.to is None:
        return wanted
    if read.to not in around.destinations:
        hint = did_you_mean(read.to, around.destinations)
        mistakes.add(table, "to", f"there is no destination {read.to!r} in this file; {hint}")
        return None
    to = around.destinations[read.to]
    return None if to is None else {**wanted, "target": asdict(_target(to))}


def _target(to: Destination) -> Target:
    return Target(to.name, to.kind, to.queue, to.digest_ms)


def _retention(
    kwargs: dict[str, Any], table: str, around: Surroundings, mistakes: Mistakes
) -> dict[str, Any] | None:
    read_table(NoArguments, kwargs, table, mistakes)
    return {"days": around.retention_days, "by_source": dict(around.retention_by_source)}


def _cleanup(
    kwargs: dict[str, Any], table: str, _around: Surroundings, mistakes: Mistakes
) -> dict[str, Any] | None:
    read = read_table(CleanupArguments, kwargs, table, mistakes)
    return None if read is None else {"days": read.keep}


def _report(
    kwargs: dict[str, Any], table: str, around: Surroundings, mistakes: Mistakes
) -> dict[str, Any] | None:
    read = read_table(ReportArguments, kwargs, table, mistakes)
    if read is None:
        return None
    for name in read.to:
        if name not in around.destinations:
            hint = did_you_mean(name, around.destinations)
            mistakes.add(table, "to", f"there is no destination {name!r}; {hint}")
    return {"keep": read.keep, "told": bool(read.to)}


def _key(field: str) -> str:
    """How a file spells what a command calls so."""
    return "types" if field == "type" else field


#: The jobs that Hookkeeper brings and that can be scheduled: (kwargs, table, ...) -> the job's.
CHECKS: Mapping[
    str, Callable[[dict[str, Any], str, Surroundings, Mistakes], dict[str, Any] | None]
] = MappingProxyType(
    {
        "export": _export,
        "bulk_replay": _replay,
        "retention": _retention,
        "cleanup": _cleanup,
        "report": _report,
    }
)
