"""The configuration a running process works with, swapped whole when the file changes.

Watched by content: hookkeeper.toml and every ``file:`` secret that it names. They are small, so
they are simply read; times and sizes of files miss a change made within one clock tick.
``env:`` secrets and handler modules are read once, at the start: those need a restart.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from ingest.config.check import check_names
from ingest.config.load import load_config, read_document
from ingest.config.model import Config
from ingest.config.references import file_references
from ingest.config.schedules import check_schedules
from ingest.errors import ConfigError
from ingest.handlers import Handler, handlers_of
from ingest.jobs.hooks import Hooks, hooks_of
from ingest.jobs.kinds import check_kinds
from ingest.jobs.marked_schedules import schedules_of
from ingest.jobs.specs import JobSpec, jobs_of
from ingest.marks import import_modules
from ingest.schedules import Schedule
from ingest.verify.provider import Provider

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and what users' modules hold: handlers by name, jobs by kind, hooks.

    ``schedules``: those of the modules, by name.
    """

    config: Config
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    jobs: Mapping[str, JobSpec] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)


class Snapshot:
    """The newest valid configuration. ``current`` is safe to read from any thread.

    ``load_handlers`` imports the handler modules (workers do). Raises ConfigError when the
    first load fails; a later one that fails keeps what was there.
    """

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        catalogue: Mapping[str, Provider],
        *,
        load_handlers: bool = False,
    ) -> None:
        self._path = path
        self._environ = environ
        self._catalogue = catalogue
        self._refreshing = threading.Lock()
        self._text: bytes | None = None
        self._secret_files: tuple[Path, ...] = ()
        self._seen = self._look()
        config = load_config(path, environ, catalogue)
        self._doubt(self._seen)
        self._loaded = Loaded(config)
        if load_handlers:
            modules = import_modules(config.handler_modules, path.parent.absolute())
            self._loaded = Loaded(
                config,
                handlers_of(modules),
                jobs_of(modules),
                hooks_of(modules),
                schedules_of(modules),
            )
            check_kinds(self._loaded.jobs)
            self._check(config)
        self._knows_jobs = load_handlers

    @property
    def current(self) -> Loaded:
        """The configuration and handlers now. Take it once per piece of work, then use that."""
        return self._loaded

    @property
    def config(self) -> Config:
        """The configuration now."""
        return self._loaded.config

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by name; empty where they were not asked for."""
        return self._loaded.handlers

    def refresh(self) -> bool:
        """Load again if the content changed; whether a new configuration is in place.

        Cheap when nothing changed, so it can be called every second. Never raises on a bad
        file: that is logged once, and what was valid stays.
        """
        with self._refreshing:
            seen = self._look()
            if seen == self._seen:
                return False
            self._seen = seen
            try:
                config = self._load_again()
            except ConfigError as error:
                logger.error("config.rejected", path=str(self._path), error=str(error))  # noqa: TRY400 - the message is for people, a traceback would bury it
                return False
            finally:
                self._doubt(seen)
            self._swap(config)
            return True

    def _doubt(self, seen: bytes) -> None:
        """Load again next time where the content changed under the load.

        What was loaded is then of no look, and a change back to the look before would be none.
        """
        if self._look() != seen:
            self._seen = b""

    def _load_again(self) -> Config:
        if self._text is None:
            # Gone, not emptied: an editor or a mount is replacing it, or somebody slipped.
            raise ConfigError(
                f"{self._path} is gone or unreadable; the configuration it held stays in force"
            )
        config = load_config(self._path, self._environ, self._catalogue)
        if self._knows_jobs:
            self._check(config)
        return config

    def _check(self, config: Config) -> None:
        """Compare with what the modules hold. Raises ConfigError."""
        check_names(config, self._loaded.handlers)
        check_schedules(config.schedules, self._loaded.jobs, self._loaded.schedules)

    def _swap(self, config: Config) -> None:
        before = self._loaded.config
        self._loaded = replace(self._loaded, config=config)
        logger.info(
            "config.reloaded",
            path=str(self._path),
            sources=len(config.sources),
            destinations=len(config.destinations),
            routes=len(config.routes),
        )
        if config.handler_modules != before.handler_modules:
            logger.warning("config.restart_needed", handlers=list(config.handler_modules))

    def _look(self) -> bytes:
        """A digest of everything that is watched."""
        text = _content(self._path)
        if text != self._text:
            self._text = text
            self._secret_files = self._named_files()
        digest = hashlib.sha256()
        for content in (text, *map(_content, self._secret_files)):
            # The length keeps neighbours apart; -1 keeps a missing file apart from an empty one.
            digest.update(b"%d:" % (-1 if content is None else len(content)))
            digest.update(content or b"")
        return digest.digest()

    def _named_files(self) -> tuple[Path, ...]:
        """The secrets of a file, also of one that is refused because one of them is missing."""
        try:
            names = file_references(read_document(self._path))
        except ConfigError:
            return self._secret_files
        return tuple(self._path.parent / name for name in names)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
