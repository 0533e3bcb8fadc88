"""Python handlers: functions that say with ``@on`` which events they want.

    @on("github", "push", "issues.*")
    def deploy(event: Event) -> None: ...

The decorator only marks the function. There is no registry: ``load_handlers`` imports the
modules named in hookkeeper.toml and collects what is marked. Cheap to import, on purpose.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from ingest.backoff import RetryPolicy
from ingest.errors import ConfigError
from ingest.marks import HANDLERS, import_modules, marked, own_name
from ingest.patterns import Pattern, pattern

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_TIME_LIMIT_SECONDS = 60.0
DEFAULT_QUEUE = "process"
#: Queues with actors of their own; a handler's messages there would find nobody.
RESERVED_QUEUES = frozenset({"dispatch", "deliver", "notify"})

# Dramatiq's own rule for queue names; .DQ and .XQ are its suffixes for delayed and dead ones.
_QUEUE = re.compile(r"(?!.*\.[DX]Q$)[a-zA-Z_][a-zA-Z0-9._-]*")


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """What one ``@on`` said. ``name`` None: the function's own."""

    source: str
    types: tuple[str, ...]
    where: str | None
    name: str | None
    attempts: int | None
    time_limit_seconds: float
    queue: str
    concurrency: int | None


@dataclass(frozen=True, slots=True)
class Handler:
    """A function that receives events: a destination of kind ``python``, known by its name."""

    name: str
    function: Callable[..., Any]
    patterns: tuple[Pattern, ...]
    retry: RetryPolicy
    time_limit_seconds: float
    queue: str
    concurrency: int | None
    #: Whether calling the function makes a coroutine.
    is_async: bool = field(init=False)

    def __post_init__(self) -> None:
        """Look at the function once: it costs 2 us, and every delivery asks."""
        called = getattr(self.function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
        found = inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(called)
        object.__setattr__(self, "is_async", found)


def on(
    source: str,
    *types: str,
    where: str | None = None,
    name: str | None = None,
    attempts: int | None = None,
    time_limit: float = DEFAULT_TIME_LIMIT_SECONDS,
    queue: str = DEFAULT_QUEUE,
    concurrency: int | None = None,
) -> Callable[[Function], Function]:
    """Mark a function, sync or async, that takes an Event, as a handler of events.

    No types: all of them. ``where`` is a JMESPath predicate on the JSON body. ``attempts`` ends
    the retries before three days do; ``time_limit`` is in seconds for one attempt;
    ``concurrency`` caps how many run at once, over all workers. Several ``@on`` on a function
    make one handler with several patterns, unless they name it differently.

    Raises ConfigError at once where an argument cannot be right.
    """
    if not isinstance(source, str):
        raise ConfigError('write @on("github", "push"): the source comes first, in quotes')
    for wanted in types:
        if not isinstance(wanted, str) or not wanted:
            raise ConfigError(f'@on({source!r}): write types one by one, "push", not {wanted!r}')
    _check_limits(source, attempts, time_limit, concurrency)
    if queue in RESERVED_QUEUES or not _QUEUE.fullmatch(queue):
        raise ConfigError(f"@on({source!r}): {queue!r} cannot be the queue of a handler")
    spec = HandlerSpec(source, types, where, name, attempts, time_limit, queue, concurrency)

    def mark(function: Function) -> Function:
        # Decorators apply from the bottom up; the specs are kept as they read, top down.
        setattr(function, HANDLERS, (spec, *getattr(function, HANDLERS, ())))
        return function

    return mark


def _check_limits(
    source: str, attempts: int | None, time_limit: float, concurrency: int | None
) -> None:
    for word, count in (("attempts", attempts), ("concurrency", concurrency)):
        if count is not None and (not _is_whole(count) or count < 1):
            raise ConfigError(f"@on({source!r}): {word} is a whole number from 1, not {count!r}")
    if not isinstance(time_limit, int | float) or not 0 < time_limit < math.inf:
        raise ConfigError(f"@on({source!r}): time_limit is in seconds, above 0, not {time_limit!r}")


def _is_whole(count: object) -> bool:
    return isinstance(count, int) and not isinstance(count, bool)


def load_handlers(modules: Sequence[str], folder: Path | None = None) -> Mapping[str, Handler]:
    """Import the modules and collect their handlers: see ``import_modules``, ``handlers_of``."""
    return handlers_of(import_modules(modules, folder))


def handlers_of(modules: Sequence[ModuleType]) -> Mapping[str, Handler]:
    """Collect what modules mark with ``@on``, in order, by name.

    A function that several modules share is one handler. Raises ConfigError where two functions
    share a name, or one cannot be a handler.
    """
    handlers: dict[str, Handler] = {}
    for module in modules:
        for function, specs in marked(module, HANDLERS):
            for handler in _handlers_from(function, specs):
                known = handlers.setdefault(handler.name, handler)
                if known.function is not handler.function:
                    raise ConfigError(
                        f"handlers: {module.__name__} and {known.function.__module__} both have a "
                        f"handler named {handler.name!r}; give one of them another: "
                        "@on(..., name=...)"
                    )
    return MappingProxyType(handlers)


def _handlers_from(
    function: Callable[..., Any], specs: tuple[HandlerSpec, ...]
) -> Iterator[Handler]:
    named: dict[str, list[HandlerSpec]] = {}
    for spec in specs:
        named.setdefault(spec.name or own_name(function), []).append(spec)
    for name, group in named.items():
        _check_function(name, function)
        yield _handler(name, function, group)


def _check_function(name: str, function: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"handlers: {name} is a generator: calling it would run none of it")
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"handlers: {name} must take one argument, the event: {error}") from None


def _handler(name: str, function: Callable[..., Any], group: list[HandlerSpec]) -> Handler:
    first = group[0]
    limits = {(s.attempts, s.time_limit_seconds, s.queue, s.concurrency) for s in group}
    if len(limits) > 1:
        raise ConfigError(
            f"handlers: the @on lines of {name} differ in attempts, time_limit, queue or "
            "concurrency; make them equal, or give each its own name"
        )
    try:
        patterns = tuple(pattern(spec.source, spec.types, spec.where) for spec in group)
    except ValueError as error:
        raise ConfigError(f"handlers: {name}: where: {error}") from error
    return Handler(
        name=name,
        function=function,
        patterns=patterns,
        retry=RetryPolicy(attempts=first.attempts),
        time_limit_seconds=first.time_limit_seconds,
        queue=first.queue,
        concurrency=first.concurrency,
    )
