"""The configuration of the moment, with the secrets that sources have learned."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import structlog

from ingest.config.model import Config
from ingest.learning import LearnedSecret
from ingest.vault import Vault
from ingest.verify.request import Secret

logger = structlog.get_logger(__name__)


class LearnedConfig:
    """The same object as long as neither the file nor what was learned changes."""

    def __init__(self, config: Callable[[], Config], vault: Vault) -> None:
        self._config = config
        self._vault = vault
        self._learned: Mapping[str, tuple[Secret, ...]] = {}
        self._open_sources: frozenset[str] = frozenset()
        self._made_of: Config | None = None
        self._made = Config()

    def may_learn(self, source: str) -> bool:
        """Whether an operator has opened a source for a secret more."""
        return source in self._open_sources

    def take(self, learned: Iterable[LearnedSecret], open_sources: Iterable[str]) -> None:
        """Replace all that was learned so far."""
        told = list(learned)
        self._open_sources = frozenset(open_sources)
        self._learned = self._vault.by_source(told)
        self._made_of = None
        readable = sum(map(len, self._learned.values()))
        if readable < len(told):
            logger.error(
                "secrets.unreadable",
                secrets=len(told) - readable,
                hint="learned under another key file: bring that back, or let the sources learn",
            )

    def current(self) -> Config:
        """The configuration now."""
        config = self._config()
        if config is not self._made_of:
            self._made = with_learned(config, self._learned)
            self._made_of = config
        return self._made


def with_learned(config: Config, learned: Mapping[str, Sequence[Secret]]) -> Config:
    """The configuration with each source's learned secrets behind those of the file."""
    if not any(name in config.sources for name in learned):
        return config
    sources = {
        name: replace(source, secrets=(*source.secrets, *learned.get(name, ())))
        for name, source in config.sources.items()
    }
    return replace(config, sources=MappingProxyType(sources))
