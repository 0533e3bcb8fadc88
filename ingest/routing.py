"""Where an event goes: pure functions over the configuration and the handlers."""

from collections.abc import Mapping
from functools import cache

from ingest.backoff import RetryPolicy
from ingest.config.model import Config, Destination
from ingest.event_view import OWN_SOURCE
from ingest.events import DestinationKind, Event, Target
from ingest.handlers import Handler
from ingest.patterns import NOT_JSON, Pattern


def match(config: Config, handlers: Mapping[str, Handler], event: Event) -> tuple[Target, ...]:
    """Every destination of an event, each once: routes in file order, then handlers.

    Never raises because of the event: a body that is not JSON, or that a predicate cannot be
    evaluated on, does not match that predicate. The body is parsed at most once, and only if
    a predicate asks for it.
    """

    @cache
    def document() -> object:
        try:
            return event.json()
        except ValueError:
            return NOT_JSON

    targets: dict[str, Target] = {}
    for route in config.routes:
        if _concerns(route.pattern, event) and route.pattern.wants(event, document):
            for name in route.to:
                to = config.destinations[name]
                targets[name] = Target(name, to.kind, to.queue, to.digest_ms)
    for handler in handlers.values():
        if any(_concerns(each, event) and each.wants(event, document) for each in handler.patterns):
            targets[handler.name] = Target(handler.name, DestinationKind.PYTHON, handler.queue)
    return tuple(targets.values())


def _concerns(pattern: Pattern, event: Event) -> bool:
    """Whether a pattern may match: what Hookkeeper itself tells goes only where it is asked for."""
    return event.source != OWN_SOURCE or pattern.source == OWN_SOURCE


def targets(config: Config, handlers: Mapping[str, Handler]) -> Mapping[str, Target]:
    """Every destination and handler that there is, by name, whatever the routes say."""
    found = {
        name: Target(name, to.kind, to.queue, to.digest_ms)
        for name, to in config.destinations.items()
    }
    for name, handler in handlers.items():
        found[name] = Target(name, DestinationKind.PYTHON, handler.queue)
    return found


def looks_inside(config: Config, handlers: Mapping[str, Handler]) -> bool:
    """Whether any route or handler asks for more of an event than its source and type."""
    patterns = [route.pattern for route in config.routes]
    patterns += [pattern for handler in handlers.values() for pattern in handler.patterns]
    return any(pattern.where is not None for pattern in patterns)


def policy(config: Config, handlers: Mapping[str, Handler], destination: str) -> RetryPolicy:
    """How a destination's failures are retried.

    One that the configuration no longer names keeps its deliveries on the default schedule,
    so that putting it back within that time loses nothing.
    """
    if destination in config.destinations:
        return config.destinations[destination].retry
    if destination in handlers:
        return handlers[destination].retry
    return RetryPolicy()


def caps(config: Config, handlers: Mapping[str, Handler]) -> Mapping[str, int]:
    """How many deliveries may run at once, for the destinations that say so."""
    limited: list[Destination | Handler] = [*config.destinations.values(), *handlers.values()]
    return {each.name: each.concurrency for each in limited if each.concurrency is not None}
