"""The receiver's parts, started in order and stopped in the opposite one.

A database or broker that cannot be reached is no reason not to start: senders get an honest 503
meanwhile, and it is used as soon as it answers. A database that must not be used is one.
"""

import asyncio
import contextlib
import gc
import time
from pathlib import Path

import structlog

from ingest import __version__, exposition, metrics
from ingest.body import InFlight, Pace
from ingest.callers import Callers
from ingest.config.settings import Settings
from ingest.config.snapshot import Snapshot
from ingest.credentials import load_key
from ingest.disk import Disk
from ingest.edge import Edge
from ingest.health import Health
from ingest.key_fetching import KeyFetcher
from ingest.learned_config import LearnedConfig
from ingest.logs import Lines
from ingest.outbound import Door
from ingest.receive import Receiver
from ingest.uncertain import Uncertain
from ingest.vault import Vault
from ingest.writer import Orders, Writer
from ingest.writer.spawning import Started

logger = structlog.get_logger(__name__)

_TICK_SECONDS = 2.0
_IDLE_CONNECTIONS = 4  # to where providers publish their keys
_SQLITE = "sqlite:///"


class Reception:
    """Everything that a receiver process runs. ``metrics_folder`` None: nobody serves metrics.

    ``lines``: where its log goes; ``early``: a writer that was started for it. Raises ConfigError
    where the configuration or the key file cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot: Snapshot,
        metrics_folder: Path | None,
        lines: Lines,
        early: Started | None = None,
    ) -> None:
        settings.data.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        self._snapshot = snapshot
        self._metrics_folder = metrics_folder
        self._lines = lines
        self._metrics_server: exposition.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._uncertain = Uncertain()
        key = load_key(settings.key_file)
        learned = LearnedConfig(lambda: snapshot.config, Vault(key))
        self._writer = Writer(
            Orders(
                database_url=settings.database_url,
                broker_url=settings.broker_url,
                log_level=settings.log_level,
                log_format=settings.log_format,
                metrics_folder=None if metrics_folder is None else str(metrics_folder),
            ),
            timeout_seconds=settings.commit_timeout_seconds,
            early=early,
            on_learned=lambda told: learned.take(*told),
        )
        self._in_flight = InFlight(settings.max_in_flight)
        self._disk = Disk(_folders(settings), settings.disk_low_water)
        self.health = Health(self._writer, self._disk)
        self._door = Door(_IDLE_CONNECTIONS)
        self._keys = KeyFetcher(self._door, lambda: time.time_ns() // 1_000_000)
        self.receiver = Receiver(
            config=learned.current,
            may_learn=learned.may_learn,
            acceptor=self._writer,
            key=key,
            health=self.health,
            in_flight=self._in_flight,
            pace=Pace(settings.body_timeout_seconds, settings.body_rate),
            origin=settings.origin,
            keys=self._keys,
            soon=lambda call: asyncio.get_running_loop().call_soon(call),
        )
        self.edge = Edge(
            head_seconds=settings.head_timeout_seconds,
            callers=Callers(settings.connections_per_address, settings.trusted_proxies),
            refused=self.receiver.refused,
        )

    async def start(self) -> None:
        """Begin to accept. Raises StoreRefused where the database must not be used."""
        try:
            await self._writer.start()
        except BaseException:
            await self._writer.stop()
            raise
        if self._metrics_folder is not None:
            self._metrics_server = exposition.serve(
                self._settings.metrics_host, self._settings.metrics_port, self._metrics_folder
            )
        metrics.BUILD_INFO.labels(__version__).set(1)
        self._lines.gather(asyncio.get_running_loop().call_soon)
        gc.freeze()  # what was made at start stays: no collection needs to look at it again
        self._ticking = asyncio.create_task(self._tick())
        self._announce()

    async def stop(self) -> None:
        """Refuse what is new, finish what was begun, and let go of everything."""
        self.health.draining = True
        self._lines.gather(None)
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        await self._writer.stop()
        await self._keys.close()
        await self._door.close()
        if self._metrics_server is not None:
            await asyncio.to_thread(self._metrics_server.stop)
        gc.unfreeze()  # or what a process made before it started us would outlive it, uncollected
        logger.info("receiver.stopped")

    async def _tick(self) -> None:
        while True:
            metrics.DISK_ROOM_BYTES.set(self._disk.room)
            await asyncio.sleep(_TICK_SECONDS)
            metrics.IN_FLIGHT_BYTES.set(self._in_flight.held)
            try:
                if await asyncio.to_thread(self._snapshot.refresh):
                    self._uncertain.tell(self._snapshot.config.sources.values())
            except Exception:
                logger.exception("config.refresh_failed")

    def _announce(self) -> None:
        config = self._snapshot.config
        self._uncertain.tell(config.sources.values())
        logger.info(
            "receiver.started",
            version=__version__,
            sources=sorted(config.sources),
            retention_days=config.retention_days,
            retention_days_of_sources={
                source.name: source.retention_days
                for source in config.sources.values()
                if source.retention_days is not None
            },
            hint="events older than the retention are deleted; set retention in hookkeeper.toml",
        )


def _folders(settings: Settings) -> list[Path]:
    """Where a full disk would hurt: the data folder, and that of a SQLite file elsewhere."""
    folders = [settings.data]
    if settings.database_url.startswith(_SQLITE):
        file = settings.database_url.removeprefix(_SQLITE).partition("?")[0]
        folders.append(Path(file).absolute().parent)
    return folders
