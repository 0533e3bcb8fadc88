"""The processes of one folder, from first start to last stop.

The supervisor owns the listening sockets, so that a receiver that dies refuses no connection,
and starts things in the order in which they need each other: Redis, schema, web, workers,
scheduler, console.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from socket import socket
from typing import Any

import structlog

from ingest.cli.banner import print_ready
from ingest.cli.console import LOOPBACK
from ingest.cli.demo import write_demo
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.folder import Folder
from ingest.cli.listening import listen
from ingest.cli.processes import Child, Command, Guard
from ingest.cli.programs import Programs
from ingest.cli.readiness import wait_ready
from ingest.cli.redis_server import PrivateRedis, private_redis
from ingest.cli.successor import another, successor
from ingest.config.settings import Settings

logger = structlog.get_logger(__name__)


def prepare(
    settings: Settings, environ: Mapping[str, str], folder: Folder, *, as_json: bool
) -> "Supervisor":
    """Find everything that the pipeline needs before any process is started.

    Raises ConfigError (a taken port, with its holder) or CommandFailed (no Redis).
    """
    redis = None
    if not environ.get("HOOKKEEPER_BROKER_URL"):
        redis = private_redis(settings.data, environ.get("PATH", os.defpath))
    listener = listen(settings.host, settings.port)
    metrics_setting = "HOOKKEEPER_METRICS_PORT"
    with listen(settings.metrics_host, settings.metrics_port, setting=metrics_setting) as metrics:
        metrics_port = metrics.getsockname()[1]
    console = listen(LOOPBACK, settings.console_port, setting="HOOKKEEPER_CONSOLE_PORT")
    write_demo(settings, environ)
    given = {
        "CONFIG": settings.config_path,
        "DATA": settings.data,
        "DATABASE_URL": settings.database_url,
        "BROKER_URL": redis.url if redis else settings.broker_url,
        "HOST": settings.host,
        "PORT": listener.getsockname()[1],
        "METRICS_HOST": settings.metrics_host,
        "METRICS_PORT": metrics_port,
        "CONSOLE_PORT": console.getsockname()[1],
        "CONSOLE_TOKEN": settings.console_token,
    }
    environ = {**environ, **{f"HOOKKEEPER_{name}": str(value) for name, value in given.items()}}
    listeners = Listeners(listener, console)
    return Supervisor(settings, environ, folder, listeners, redis, as_json=as_json)


@dataclass(frozen=True)
class Listeners:
    """The sockets that the supervisor holds open while their processes come and go."""

    web: socket
    console: socket

    def close(self) -> None:
        """Refuse what comes from now on."""
        self.web.close()
        self.console.close()


@dataclass(frozen=True)
class Restarted:
    """How often the pipeline has restarted; why it failed last, or ""; whether it does now."""

    restarts: int
    restart_failed: str = ""
    restarting: bool = False


class Supervisor:
    """Starts, keeps and stops the processes of a pipeline."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        folder: Folder,
        listeners: Listeners,
        redis: PrivateRedis | None,
        *,
        as_json: bool,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._folder = folder
        self._listeners = listeners
        self._redis = redis
        self._as_json = as_json
        self._programs = Programs(environ)
        self._guard = Guard(folder.lock.fileno())
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()
        self._asked = asyncio.Event()  # to restart
        self._restarted = Restarted(0)

    async def run(self) -> None:
        """Start everything, keep it running until a signal, stop everything.

        Raises CommandFailed if something cannot be started; nothing is left running then.
        """
        self._obey_signals()
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stopping.wait())
        restarting: asyncio.Task[None] | None = None
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting  # raises what went wrong
                restarting = asyncio.create_task(self._restart_when_asked())
                await stopping
        finally:
            self._stopping.set()
            tasks = [task for task in (starting, stopping, restarting) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop()

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
                loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGUSR1, self._asked.set)  # heard once everything is started

    def _signalled(self) -> None:
        if self._stopping.is_set():
            for child in self._children.values():
                child.kill()
        self._stopping.set()

    async def _restart_when_asked(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._tell(replace(self._restarted, restarting=True))
            self._tell(await self._restart())

    def _tell(self, restarted: Restarted) -> None:
        self._restarted = restarted
        try:
            self._folder.announce(self._whereabouts())
        except OSError as error:  # a full disk, say; the next restart must be heard all the same
            logger.error("pipeline.not_announced", error=str(error))  # noqa: TRY400 - told, not lost

    async def _restart(self) -> Restarted:
        """Every process but Redis anew, one after another."""
        logger.info("pipeline.restarting")
        try:
            await self._finished("config", "check", "--json")
            await self._printed("the new code of the workers", self._programs.check_of_workers())
            await self._finished("migrate", "--json")
            await self._replace_all()
        except (
            CommandFailed,
            OSError,
            ValueError,
        ) as error:  # whatever a new release says or lacks
            logger.error("pipeline.not_restarted", reason=str(error))  # noqa: TRY400 - told, not lost
            return Restarted(self._restarted.restarts + 1, str(error))
        logger.info("pipeline.restarted")
        return Restarted(self._restarted.restarts + 1)

    async def _replace_all(self) -> None:
        programs, listeners, guard = self._programs, self._listeners, self._guard
        await self._replace(await successor(partial(programs.web, listeners.web), guard))
        for number in range(1, self._settings.workers + 1):
            await self._replace(await another(programs.worker(number), guard))
        await self._replace(await another(programs.scheduler(), guard))
        await self._replace(await successor(partial(programs.console, listeners.console), guard))

    async def _replace(self, child: Child) -> None:
        """Keep a process that serves already, and stop the one of its name."""
        child.keep()
        name = child.command.name
        old = self._children[f"old {name}"] = self._children[name]
        self._children[name] = child
        await old.stop()
        del self._children[f"old {name}"]

    async def _start(self) -> None:
        if self._redis is not None:
            await self._begin(self._redis.command(), self._redis.wait_ready())
        facts, _ = await asyncio.gather(
            self._finished("config", "check", "--json"), self._finished("migrate", "--json")
        )
        web, console = self._listeners.web, self._listeners.console
        web_ready = wait_ready("the receiver", self._settings.host, web.getsockname()[1])
        await self._begin(self._programs.web(web), web_ready)
        for number in range(1, self._settings.workers + 1):
            await self._begin(self._programs.worker(number))
        await self._begin(self._programs.scheduler())
        console_ready = wait_ready("the console", LOOPBACK, console.getsockname()[1])
        await self._begin(self._programs.console(console), console_ready)
        self._folder.announce(self._whereabouts())
        print_ready(facts, self._environ, self._redis, as_json=self._as_json)

    async def _begin(self, command: Command, ready: Awaitable[None] | None = None) -> None:
        """Start a process, wait until it is ready, and keep it running from then on."""
        child = Child(command, self._guard)
        self._children[command.name] = child
        await child.start()
        if ready is not None:
            await self._before_exit(child, ready)
        child.keep()

    async def _before_exit(self, child: Child, ready: Awaitable[None]) -> None:
        """Wait for readiness; a process that ends before it is a failed start, not a restart."""
        exited = asyncio.ensure_future(child.exited())
        answered = asyncio.ensure_future(ready)
        try:
            await asyncio.wait({exited, answered}, return_when=asyncio.FIRST_COMPLETED)
            if exited.done() and not answered.done():
                raise _failed_start(child.command.name, exited.result())
            await answered
        finally:
            exited.cancel()
            answered.cancel()
            await asyncio.wait({exited, answered})

    async def _finished(self, *command: str) -> Any:
        """Run a command of ours; the JSON it printed. Raises CommandFailed with its code."""
        argv = self._programs.hookkeeper(*command)
        return json.loads(await self._printed(f"hookkeeper {' '.join(command)}", argv))

    async def _printed(self, name: str, argv: Sequence[str]) -> bytes:
        """Run it to its end. Its errors go straight to our stderr."""
        process = await asyncio.create_subprocess_exec(
            *argv, env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        try:
            printed, _ = await process.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode:
            raise _failed_start(name, process.returncode)
        return printed

    async def _stop(self) -> None:
        """First what takes work in, last what the others need. Bounded by each one's own bound."""
        self._listeners.close()
        web = [child for child in self._children.values() if child.command.name == "web"]
        redis = [child for child in self._children.values() if child.command.name == "redis"]
        others = [child for child in self._children.values() if child not in web + redis]
        for stage in (web, others, redis):
            await asyncio.gather(*(child.stop() for child in stage))
        self._guard.close()
        if self._redis is not None and self._redis.socket.parent != self._redis.directory:
            shutil.rmtree(self._redis.socket.parent, ignore_errors=True)

    def _whereabouts(self) -> dict[str, object]:
        """What run.json tells the commands of this folder."""
        names = ("DATABASE_URL", "BROKER_URL", "HOST", "PORT", "METRICS_PORT", "CONSOLE_PORT")
        found = {name.lower(): self._environ[f"HOOKKEEPER_{name}"] for name in names}
        if public_url := self._environ.get("HOOKKEEPER_PUBLIC_URL"):  # what `send` has to sign
            found["public_url"] = public_url
        return {**found, "pid": os.getpid(), **asdict(self._restarted)}


def _failed_start(name: str, status: int) -> CommandFailed:
    code = Exit(status) if status in list(Exit) else Exit.FAILED
    how = f"exit status {status}" if status >= 0 else f"killed by signal {-status}"
    return CommandFailed(
        f"{name} ended while starting ({how}); its message stands above. "
        "What had been started is stopped again; no event is lost.",
        code,
    )
