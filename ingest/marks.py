"""What decorators leave on functions, and how it is found again: there is no registry.

``@on``, ``@job``, ``@schedule``, ``@on_startup`` and ``@on_shutdown`` set an attribute; the modules
named in hookkeeper.toml are imported, and whatever they hold is asked for it.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ingest.errors import ConfigError

HANDLERS = "__hookkeeper_handlers__"
JOB = "__hookkeeper_job__"
SCHEDULES = "__hookkeeper_schedules__"
STARTUP = "__hookkeeper_on_startup__"
SHUTDOWN = "__hookkeeper_on_shutdown__"
_MARKS = (HANDLERS, JOB, SCHEDULES, STARTUP, SHUTDOWN)


def import_modules(names: Sequence[str], folder: Path | None = None) -> list[ModuleType]:
    """Import users' modules, in order; ``folder`` (of hookkeeper.toml) is made importable first.

    Raises ConfigError that names the module: it cannot be imported, or nothing in it is marked.
    """
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    modules = [_imported(name) for name in names]
    for module in modules:
        if not any(marked(module, mark) for mark in _MARKS):
            raise ConfigError(
                f"handlers: {module.__name__} marks no function with @on, @job, @schedule, "
                "@on_startup or @on_shutdown"
            )
    return modules


def marked(module: ModuleType, mark: str) -> list[tuple[Callable[..., Any], Any]]:
    """Return the callables of a module that bear a mark, with what it says, in their order."""
    functions = {id(each): each for each in vars(module).values() if callable(each)}
    # vars(), not getattr(): an object that invents attributes is not marked.
    said = [(each, getattr(each, "__dict__", {}).get(mark)) for each in functions.values()]
    return [(function, mark) for function, mark in said if mark is not None]


def own_name(function: Callable[..., Any]) -> str:
    """Name a function by its module. Raises ConfigError for an object that has no name."""
    try:
        return f"{function.__module__}.{function.__qualname__}"
    except AttributeError:
        raise ConfigError(
            f"handlers: {function!r} has no name; give it one: name=... where it is marked"
        ) from None


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"handlers: there is no module {name!r} beside hookkeeper.toml or installed; "
                "name it as an import would: package.module, without .py"
            ) from error
        raise ConfigError(f"handlers: {name} needs a module that is missing: {error}") from error
    except Exception as error:
        raise ConfigError(
            f"handlers: {name} failed while it was imported: {type(error).__name__}: {error}"
        ) from error
