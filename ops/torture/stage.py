"""Where one trial happens: real servers, a real pipeline, a sink and senders, all its own."""

import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from ops.bench.processes import Guard, Process
from ops.torture import handlers, sink
from ops.torture.cluster.pipeline import ROLES, ROOT, Addresses, Pipeline, Wanted
from ops.torture.cluster.proxy import Proxy
from ops.torture.cluster.servers import Primary, Sentinel, SmallDisk, Standby
from ops.torture.cluster.shim import Shim, compile_shim
from ops.torture.load import Orders
from ops.torture.plan import Plan
from ops.torture.sending import Sending
from ops.torture.waiting import rest
from tests.services.ports import free_port
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer

#: How long a pipeline takes to start on two cores that it has for itself. Where others want them,
#: whatever has a time limit may take as many times longer as the start did.
_START_SECONDS = 5.0
_ANSWERS_SECONDS = 60.0
_SMALL_DISK = {"sqlite": 48 << 20, "postgresql": 192 << 20}
_SMALL_DISK_FILES = 4_000
_REDIS_DISK = 6 << 20


class NotStruck(Exception):
    """A fault found nothing to strike, or its moment never came: nothing was tested."""


class Stage:
    """What the faults of a plan can reach. ``random`` is the current strike's own."""

    def __init__(self, plan: Plan, root: Path, guard: Guard) -> None:
        self.plan = plan
        self.root = root
        self.guard = guard
        self.random = random.Random(plan.seed)
        self.needs = plan.needs
        self.redis: RedisServer
        self.postgres: PostgresServer | None = None
        self.standby: Standby | None = None
        self.replica: RedisServer | None = None
        self.sentinel: Sentinel | None = None
        self.disk: SmallDisk | None = None
        self.redis_disk: SmallDisk | None = None
        self.shims: dict[str, Shim] = {}  # by role, and "postgresql"
        self.database_proxies: dict[str, Proxy] = {}  # by role
        self.broker_proxies: dict[str, Proxy] = {}
        self.pipeline: Pipeline
        self.sendings: list[Sending] = []
        self.poison: dict[str, str] = {}  # by prefix of its keys, what it does to its handler
        self.database_folder = root / "database"
        self.sink_port = free_port()
        self.stretch = 1.0  # see Expected
        self.clocks_moved = False
        self.sink_orders = root / "sink.orders"

    def rest(self, seconds: float) -> None:
        """Let a fault last."""
        rest(seconds)

    def sink(self, order: str) -> None:
        """Tell the sink how to answer from now on."""
        sink.order(self.sink_orders, order)

    def send(self, name: str, **orders: object) -> Sending:
        """Start senders of their own, beside those that there are."""
        given = Orders(
            port=self.pipeline.port,
            log=str(self.root / f"answers-{name}.jsonl"),
            seed=self.random.getrandbits(32),
            prefix=f"{self.plan.seed}-{name}-",
            **orders,  # type: ignore[arg-type]  # checked by the class itself
        )
        sending = Sending(json.dumps(asdict(given)), self.root, name)
        self.sendings.append(sending)
        self.guard.tell("start", sending.pid)
        return sending

    def answered(self, sending: Sending) -> None:
        """Wait until every event of some senders is acknowledged. Raises NotStruck."""
        if not sending.finish(_ANSWERS_SECONDS * self.stretch):
            raise NotStruck(f"the events of {sending.name} were not all answered")

    def database_url(self, role: str = "") -> str:
        """The database as a role reaches it; directly without one."""
        if self.postgres is None:
            return f"sqlite:///{self.database_folder}/hookkeeper.db"
        url = self.postgres.url("torture")
        proxy = self.database_proxies.get(role)
        return url.replace(f":{self.postgres.port}/", f":{proxy.port}/") if proxy else url

    def broker_url(self, role: str) -> str:
        """Redis as a role reaches it."""
        proxy = self.broker_proxies.get(role)
        return f"redis://127.0.0.1:{proxy.port if proxy else self.redis.port}/0"


@contextmanager
def setting(plan: Plan) -> Iterator[Stage]:
    """Build a stage, with the pipeline running and ready; take it down afterwards."""
    root = Path(tempfile.mkdtemp(prefix="hookkeeper-torture-"))
    root.chmod(0o755)  # PostgreSQL's account has to pass
    guard = Guard(root)
    try:
        with ExitStack() as stack:
            stage = Stage(plan, root, guard)
            _build_disks(stage, stack)
            _build_shims(stage, stack)
            _build_servers(stage, stack)
            _build_proxies(stage, stack)
            _build_sink(stage, stack)
            _start(stage, stack)
            stack.callback(_end_senders, stage)
            yield stage
    finally:
        guard.dismiss()
        shutil.rmtree(root, ignore_errors=True)


def _build_disks(stage: Stage, stack: ExitStack) -> None:
    stage.database_folder.mkdir()
    if "small_disk" in stage.needs:
        size = _SMALL_DISK[stage.plan.database]
        stage.disk = SmallDisk(stage.database_folder, size=size, files=_SMALL_DISK_FILES)
        stack.callback(stage.disk.close)
    stage.database_folder.chmod(0o777)
    if "redis_disk" in stage.needs:
        stage.redis_disk = SmallDisk(stage.root / "redis", size=_REDIS_DISK)
        stack.callback(stage.redis_disk.close)


def _build_shims(stage: Stage, stack: ExitStack) -> None:
    if "shim" not in stage.needs:
        return
    library = compile_shim(stage.root)
    sqlite = stage.plan.database == "sqlite"
    twins = stage.root / "twins"
    twins.mkdir()
    twins.chmod(0o777)
    for name in (*ROLES, "postgresql"):
        page = stage.root / f"{name}.page"
        on = "power" in stage.needs and sqlite != (name == "postgresql")
        stage.shims[name] = Shim(library, page, stage.database_folder, twins if on else None)
        stack.callback(stage.shims[name].close)


def _build_servers(stage: Stage, stack: ExitStack) -> None:
    disk = stage.redis_disk
    options = ("--dir", str(disk.folder)) if disk else ()
    stage.redis = RedisServer(appendonly=disk is not None, options=options)
    stack.callback(stage.redis.close)
    stage.redis.start()
    if "replica" in stage.needs:
        stage.replica = RedisServer(options=("--replicaof", "127.0.0.1", str(stage.redis.port)))
        stack.callback(stage.replica.close)
        stage.replica.start()
        stage.sentinel = Sentinel(stage.root / "sentinel", stage.redis)
        stack.callback(stage.sentinel.close)
    if stage.plan.database == "postgresql":
        _build_postgres(stage, stack)


def _build_postgres(stage: Stage, stack: ExitStack) -> None:
    shim = stage.shims.get("postgresql")
    environ = shim.environ if shim else {}
    before, tempfile.tempdir = tempfile.tempdir, str(stage.database_folder)
    try:
        server = Primary(environ)
        stage.postgres = server
        stack.callback(server.close)
        if shim is not None:
            shim.snapshot()
        server.start()
        server.create_database("torture")
        if "standby" in stage.needs:
            stage.standby = Standby(server)
            stack.callback(stage.standby.close)
            stage.standby.follow()
    finally:
        tempfile.tempdir = before


def _build_proxies(stage: Stage, stack: ExitStack) -> None:
    if not stage.needs & {"proxies", "standby", "replica"}:
        return
    for role in ROLES:
        proxies = [(stage.broker_proxies, stage.redis.port)]
        if stage.postgres is not None:
            proxies.append((stage.database_proxies, stage.postgres.port))
        for kept, port in proxies:
            kept[role] = Proxy(port)
            stack.callback(kept[role].close)


def _build_sink(stage: Stage, stack: ExitStack) -> None:
    stage.sink("ok")
    words = [sys.executable, "-m", "ops.torture.sink", str(stage.sink_port)]
    words += [str(stage.root / "sends.jsonl"), str(stage.sink_orders)]
    log = stage.root / "sink.log"
    stack.enter_context(Process(stage.guard, words, log=log, folder=ROOT))


def _start(stage: Stage, stack: ExitStack) -> None:
    folder = stage.root / "pipeline"
    folder.mkdir()
    with contextlib.closing(handlers.connect(folder / "effects.db")) as effects:
        effects.execute("PRAGMA journal_mode=WAL")
        for statement in handlers.SCHEMA:
            effects.execute(statement)
    addresses = Addresses(database=stage.database_url, broker=stage.broker_url)
    stage.pipeline = Pipeline(folder, addresses, stage.sink_port, stage.guard)
    stack.callback(stage.pipeline.end)
    environ = {role: stage.shims[role].environ for role in ROLES if role in stage.shims}
    began = time.monotonic()
    try:
        stage.pipeline.start(Wanted(environ=environ, sabotage=stage.plan.sabotage))
    except Exception as error:
        error.add_note(stage.pipeline.last_words())
        raise
    stage.stretch = max(1.0, (time.monotonic() - began) / _START_SECONDS)


def _end_senders(stage: Stage) -> None:
    """End those that a trial which could not be finished has left."""
    for sending in stage.sendings:
        sending.end()
