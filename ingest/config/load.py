"""hookkeeper.toml -> Config. Everything that is wrong with a file is reported at once."""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ingest.config.alerts import alerts_route, read_alerts
from ingest.config.destinations import read_destination
from ingest.config.exports import read_exports
from ingest.config.mistakes import Mistakes, did_you_mean
from ingest.config.model import Config, Destination, Route, Source
from ingest.config.references import References, file_references
from ingest.config.schedule_arguments import Surroundings
from ingest.config.schedules import read_schedules
from ingest.config.schema import FileTable, RouteTable, read_table
from ingest.config.sources import read_source
from ingest.errors import ConfigError
from ingest.event_view import OWN_SOURCE, REPORT_TYPE
from ingest.patterns import glob, pattern
from ingest.verify.provider import Provider

# Names stand in URLs, metric labels and logs.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
#: Keys whose files are no secrets: templates, where exports go, and what jobs are called with.
_NO_SECRETS = ("subject", "text", "html", "to", "args", "kwargs")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def load_config(
    path: Path, environ: Mapping[str, str], catalogue: Mapping[str, Provider]
) -> Config:
    """The configuration in a file; an empty one where there is no file.

    Relative ``file:`` references start at the file's folder. Raises ConfigError that lists
    every mistake with its table and key.
    """
    document = read_document(path)
    references = References(environ, path.parent)
    mistakes = Mistakes(str(path))
    config = _config(document, references, catalogue, mistakes)
    mistakes.raise_if_any()
    return config


def read_document(path: Path) -> dict[str, Any]:
    """The file parsed as TOML and not yet checked; {} where there is none. Raises ConfigError."""
    try:
        text = path.read_bytes().decode()
        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8, which TOML has to be") from error
    except tomllib.TOMLDecodeError as error:
        # tomllib's message ends with "(at line 3, column 5)".
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def _config(
    document: dict[str, Any],
    references: References,
    catalogue: Mapping[str, Provider],
    mistakes: Mistakes,
) -> Config:
    file = read_table(FileTable, document, "", mistakes) or FileTable()
    sources: dict[str, Source] = {}
    for name, raw in file.sources.items():
        _check_name("sources", name, mistakes)
        if name == OWN_SOURCE:
            mistakes.add(f"sources.{name}", "", "is built in, for alerts; choose another name")
        source = read_source(name, raw, references, catalogue, mistakes)
        if source is not None:
            sources[name] = source
    destinations: dict[str, Destination] = {}
    for name, raw in file.destinations.items():
        _check_name("destinations", name, mistakes)
        destination = read_destination(name, raw, references, mistakes)
        if destination is not None:
            destinations[name] = destination
    routes = _routes(file, mistakes)
    alerts = read_alerts(file.alerts, routes, file.destinations, mistakes)
    for module in file.handlers:
        if not _MODULE.fullmatch(module):
            mistakes.add("", "handlers", f"{module!r} is no module; write package.module, no .py")
    own_days = {name: one.retention_days for name, one in sources.items() if one.retention_days}
    schedules = read_schedules(
        file.schedules,
        Surroundings(
            folder=references.folder,
            sources=(*file.sources, OWN_SOURCE),
            destinations={name: destinations.get(name) for name in file.destinations},
            retention_days=file.retention,
            retention_by_source=own_days,
        ),
        mistakes,
    )
    return Config(
        sources=MappingProxyType(sources),
        destinations=MappingProxyType(destinations),
        routes=(*routes, *alerts_route(alerts), *_report_route(schedules.report_to)),
        handler_modules=tuple(file.handlers),
        retention_days=file.retention,
        secret_files=tuple(
            references.path(name) for name in file_references(document, without=_NO_SECRETS)
        ),
        alerts=alerts,
        schedules=schedules,
        export_places=read_exports(file.exports, references.folder, mistakes),
    )


def _check_name(table: str, name: str, mistakes: Mistakes) -> None:
    if not _NAME.fullmatch(name):
        mistakes.add(table, name, "a name is 1 to 64 letters, digits, - and _, no - or _ first")


def _routes(file: FileTable, mistakes: Mistakes) -> tuple[Route, ...]:
    routes = []
    for number, raw in enumerate(file.routes, start=1):
        table = f"routes #{number}"
        read = read_table(RouteTable, raw, table, mistakes)
        route = read and _route(read, table, file, mistakes)
        if route:
            routes.append(route)
    return tuple(routes)


def _route(read: RouteTable, table: str, file: FileTable, mistakes: Mistakes) -> Route | None:
    if read.source is None:
        mistakes.add_missing(table, "source", 'is missing; name a source, or "*" for every one')
    elif not any(glob(read.source, name) for name in (*file.sources, OWN_SOURCE)):
        mistakes.add(table, "source", _unknown("source", read.source, file.sources))
    if not read.to:
        mistakes.add_missing(table, "to", 'is missing; name destinations, such as ["billing"]')
    for name in read.to:
        if name not in file.destinations:
            # A likely confusion: handlers are destinations too, but they subscribe themselves.
            hint = "; a handler is not named here, it says what it wants with @on"
            mistakes.add(table, "to", _unknown("destination", name, file.destinations) + hint)
    if "" in read.types:
        mistakes.add(table, "types", 'a type is empty; leave types out, or write ["*"], for all')
    try:
        return Route(pattern(read.source or "", tuple(read.types), read.where), tuple(read.to))
    except ValueError as error:
        mistakes.add(table, "where", str(error))
        return None


def _report_route(to: tuple[str, ...]) -> tuple[Route, ...]:
    """The route of the daily report to those that its schedule names."""
    return (Route(pattern(OWN_SOURCE, (REPORT_TYPE,)), to),) if to else ()


def _unknown(noun: str, name: str, known: Collection[str]) -> str:
    return f"there is no {noun} {name!r}; {did_you_mean(name, known)}"
