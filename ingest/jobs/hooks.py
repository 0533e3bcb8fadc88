"""What a worker process does once before it works, and once after: users' shared resources.

    @on_startup
    async def connect(resources): resources["pool"] = await asyncpg.create_pool(...)

Jobs find them in ``context.resources``.
"""

import inspect
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from ingest.errors import ConfigError
from ingest.marks import SHUTDOWN, STARTUP, marked, own_name

Resources = MutableMapping[str, Any]
Hook = Callable[[Resources], Awaitable[None] | None]
AnyHook = TypeVar("AnyHook", bound=Hook)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Users' hooks, in the order of their modules and lines."""

    startup: tuple[Hook, ...] = ()
    shutdown: tuple[Hook, ...] = ()


def on_startup(function: AnyHook) -> AnyHook:
    """Run a function, sync or async, with the process's resources before it takes any work.

    An exception ends the worker's start, with its message.
    """
    setattr(function, STARTUP, True)
    return function


def on_shutdown(function: AnyHook) -> AnyHook:
    """Run a function, sync or async, with the process's resources after its last work.

    Those that were written last run first. What they raise is logged.
    """
    setattr(function, SHUTDOWN, True)
    return function


def hooks_of(modules: Sequence[ModuleType]) -> Hooks:
    """Collect the hooks of modules, each function once. Raises ConfigError for an unfit one."""
    found = {
        mark: list(dict.fromkeys(each for module in modules for each, _ in marked(module, mark)))
        for mark in (STARTUP, SHUTDOWN)
    }
    for hook in (*found[STARTUP], *found[SHUTDOWN]):
        try:
            inspect.signature(hook).bind({})
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"handlers: {own_name(hook)} must take one argument, the resources: {error}"
            ) from None
    return Hooks(tuple(found[STARTUP]), tuple(reversed(found[SHUTDOWN])))
