"""What operations work with: the database, the configuration, and room to wait in."""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
import structlog

from ingest import __version__
from ingest.config.mistakes import did_you_mean
from ingest.config.model import Config
from ingest.config.settings import Settings
from ingest.config.snapshot import Loaded, Snapshot
from ingest.console.token import Token
from ingest.credentials import CredentialKey, load_key
from ingest.errors import ConfigError, NotFound, StoreUnavailable
from ingest.events import DestinationKind
from ingest.export.allowed import permitted
from ingest.learned_config import with_learned
from ingest.queue import build_broker
from ingest.store import Database, open_database
from ingest.store.learned_secrets import live
from ingest.vault import Vault

logger = structlog.get_logger(__name__)

#: Store calls at the same time; more wait their turn. Fewer than PostgreSQL's pool has connections.
_THREADS = 16
_TICK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where events go: a destination of the configuration, or a handler."""

    name: str
    kind: DestinationKind
    queue: str
    concurrency: int | None


class Desk:
    """One console process. A database that cannot be reached is no reason not to start."""

    def __init__(self, settings: Settings, snapshot: Snapshot, token: Token) -> None:
        self.threads = anyio.CapacityLimiter(_THREADS)
        self._settings = settings
        self._snapshot = snapshot
        self._token = token
        self._opening = threading.Lock()
        self._database: Database | None = None
        self._ticking: asyncio.Task[None] | None = None
        self.broker = build_broker(settings.broker_url, [])

    @property
    def database(self) -> Database:
        """The open database. Raises StoreUnavailable and StoreRefused. Not for the event loop."""
        with self._opening:
            if self._database is None:
                self._database = open_database(self._settings.database_url)
            return self._database

    @property
    def public_url(self) -> str | None:
        """Scheme and authority of the receiver as senders know them, where somebody said so."""
        return self._settings.public_url

    @property
    def origin(self) -> str:
        """By which the receiver takes senders to know it, said or not."""
        return self._settings.origin

    @property
    def loaded(self) -> Loaded:
        """The configuration and what the handler modules hold, as they are now."""
        return self._snapshot.current

    @property
    def key(self) -> CredentialKey:
        """The key of stored credentials. Raises ConfigError where its file cannot be read."""
        return load_key(self._settings.key_file)

    def believed(self) -> Config:
        """The configuration with the secrets that sources have learned, as they are now."""
        learned = Vault(self.key).by_source(live(self.database))
        return with_learned(self.loaded.config, learned)

    def places(self) -> Mapping[str, Place]:
        """Every destination and every handler, by name."""
        loaded = self.loaded
        places = [
            Place(each.name, each.kind, each.queue, each.concurrency)
            for each in loaded.config.destinations.values()
        ]
        places += [
            Place(each.name, DestinationKind.PYTHON, each.queue, each.concurrency)
            for each in loaded.handlers.values()
        ]
        return {place.name: place for place in places}

    def place(self, name: str) -> Place:
        """A destination or handler. Raises NotFound with the nearest name."""
        places = self.places()
        if name not in places:
            raise NotFound(f"there is no destination {name!r}; {did_you_mean(name, places)}")
        return places[name]

    def export_place(self, to: str | None) -> str:
        """Where an export may go, of what the file allows. Raises filters.Refused."""
        places = self.loaded.config.export_places
        if places is None:
            places = (str((self._settings.data / "exports").absolute()),)
        return permitted(to, places, self._settings.config_path.parent.absolute())

    async def start(self) -> None:
        """Begin to answer. Raises StoreRefused where the database must not be used."""
        try:
            await asyncio.to_thread(lambda: self.database)
        except StoreUnavailable as error:
            logger.warning("console.database_unavailable", error=str(error))
        self._ticking = asyncio.create_task(self._tick())
        logger.info("console.started", version=__version__)

    async def stop(self) -> None:
        """Let go of everything."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        if self._database is not None:
            await asyncio.to_thread(self._database.close)
        self.broker.close()
        logger.info("console.stopped")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                await asyncio.to_thread(self._refresh)
            except Exception:
                logger.exception("config.refresh_failed")

    def _refresh(self) -> None:
        self._snapshot.refresh()
        try:
            self._token.refresh()
        except ConfigError as error:
            logger.warning("console.token_kept", error=str(error))
