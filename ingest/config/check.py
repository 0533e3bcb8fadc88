"""What a valid configuration probably does not mean: warnings for ``hookkeeper config check``."""

import stat
from collections.abc import Iterator, Mapping

from ingest.config.mistakes import did_you_mean
from ingest.config.model import Config, Source
from ingest.errors import ConfigError
from ingest.event_view import OWN_SOURCE
from ingest.handlers import Handler
from ingest.patterns import Pattern, glob


def check_names(config: Config, handlers: Mapping[str, Handler]) -> None:
    """Raise ConfigError where a handler and an HTTP destination share a name.

    Deliveries know their destination by name alone.
    """
    for name in handlers:
        if name in config.destinations:
            raise ConfigError(
                f"[destinations.{name}] and a handler have the same name; rename the destination, "
                "or the handler: @on(..., name=...)"
            )


def check(config: Config, handlers: Mapping[str, Handler], now: int) -> list[str]:
    """Sentences about what is allowed but likely unmeant; empty where nothing is. ``now`` in ms."""
    return [
        *_unrouted_sources(config, handlers),
        *_unused_destinations(config),
        *_idle_patterns(config, handlers),
        *_unproved_sources(config),
        *_ended_secrets(config, now),
        *_readable_secrets(config),
    ]


def _unrouted_sources(config: Config, handlers: Mapping[str, Handler]) -> Iterator[str]:
    patterns = [route.pattern for route in config.routes]
    patterns += [pattern for handler in handlers.values() for pattern in handler.patterns]
    for name in config.sources:
        if not any(glob(pattern.source, name) for pattern in patterns):
            yield (
                f"[sources.{name}] no route and no handler wants its events; they are kept as "
                "unmatched and can be replayed"
            )


def _unused_destinations(config: Config) -> Iterator[str]:
    used = {name for route in config.routes for name in route.to}
    for name in config.destinations:
        if name not in used:
            yield f"[destinations.{name}] no route leads to it"


def _idle_patterns(config: Config, handlers: Mapping[str, Handler]) -> Iterator[str]:
    for handler in handlers.values():
        for pattern in handler.patterns:
            if not _has_source(config, pattern):
                hint = did_you_mean(pattern.source, config.sources)
                yield f"{handler.name} wants events of {pattern.source!r}, no source here; {hint}"


def _has_source(config: Config, pattern: Pattern) -> bool:
    return any(glob(pattern.source, name) for name in (*config.sources, OWN_SOURCE))


def _unproved_sources(config: Config) -> Iterator[str]:
    for name, source in config.sources.items():
        if source.provider.family == "none":
            yield (
                f"[sources.{name}] anyone who can reach /in/{name} can post events; keep it off "
                "the public internet, or describe a scheme"
            )


def _ended_secrets(config: Config, now: int) -> Iterator[str]:
    for name, source in config.sources.items():
        ended = [secret.name for secret in source.secrets if secret.expired(now)]
        if ended:
            yield f"[sources.{name}] {_ended(source, ended)}"


def _ended(source: Source, ended: list[str]) -> str:
    if len(ended) == len(source.secrets):
        return "every secret has expired: all its requests are refused"
    return f"{', '.join(ended)} expired and can be removed"


def _readable_secrets(config: Config) -> Iterator[str]:
    for path in config.secret_files:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield f"{path} has mode {mode:04o}: other users may read it; chmod 600 {path}"
