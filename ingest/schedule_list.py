"""All schedules that there are: shipped, in hookkeeper.toml, and marked in users' modules."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog

from ingest.config.model import Config
from ingest.config.schedules import SHIPPED
from ingest.schedules import Schedule, from_json
from ingest.store import Database, schedules
from ingest.store.schedules import Standing

logger = structlog.get_logger(__name__)


class Origin(enum.StrEnum):
    """Where a schedule is written."""

    SHIPPED = "shipped"
    FILE = "file"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Listed:
    """A schedule as people see it; times in ms. ``next_at`` None: it is disabled, or never comes.

    ``schedule`` None: it is disabled, and its table says no more.
    """

    name: str
    origin: Origin
    schedule: Schedule | None
    enabled: bool
    next_at: int | None
    last_at: int | None


def firing(config: Config, rows: Mapping[str, Standing]) -> dict[str, Schedule]:
    """The schedules that fire, by name. One of the file is taken before one of the same name."""
    known = {**_marked(rows), **config.schedules.active}
    return {name: one for name, one in known.items() if name not in config.schedules.disabled}


def listed(db: Database, config: Config) -> list[Listed]:
    """All schedules, by name."""
    now, rows = schedules.look(db)
    marked, active = _marked(rows), config.schedules.active
    names = sorted({*marked, *active, *config.schedules.disabled})
    last = schedules.last_fires(db, names)
    return list(_listed(names, config, {**marked, **active}, last, now))


def _listed(
    names: list[str],
    config: Config,
    known: Mapping[str, Schedule],
    last: Mapping[str, int],
    now: int,
) -> Iterator[Listed]:
    for name in names:
        one, enabled = known.get(name), name not in config.schedules.disabled
        in_file = name in config.schedules.active or (not enabled and one is None)
        origin = Origin.SHIPPED if name in SHIPPED else Origin.FILE if in_file else Origin.CODE
        next_at = next(one.times.after(now), None) if one is not None and enabled else None
        yield Listed(name, origin, one, enabled, next_at, last.get(name))


def _marked(rows: Mapping[str, Standing]) -> dict[str, Schedule]:
    found = {}
    for name, row in rows.items():
        if row.marked is None:
            continue
        try:
            found[name] = from_json(name, row.marked)
        except ValueError as error:  # a newer Hookkeeper wrote it
            logger.error("schedule.unreadable", schedule=name, error=str(error))  # noqa: TRY400 - the message says it
    return found
