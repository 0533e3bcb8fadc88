"""Metrics of all processes of this host on one port, right even after some were killed.

prometheus_client's multi-process mode keeps one file per process and type. Left alone, the
files of dead processes pile up (60 of them: 232 ms a scrape; research/ops.md §0, finding 11),
and deleting them makes counters go back. So:

* ``prepare`` gives each process an identity that is never used again (a process id is), and a
  lock file that it holds for as long as it lives, so that dead means dead.
* ``collect`` first sums the files of the dead into one file per type, then reads what is left.
  Gauges that speak for a living process (``live*``) vanish with it. The sum is committed by one
  rename, so being killed in the middle neither loses nor doubles a count.
* ``serve``: whoever binds the port serves everybody; the others try again every 5 seconds.

prometheus_client is imported by ``prepare`` and not before: it reads its environment once.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import structlog

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

logger = structlog.get_logger(__name__)

ENVIRONMENT = "PROMETHEUS_MULTIPROC_DIR"
RETRY_SECONDS = 5.0
_MERGED = "merged"
_PREALLOCATED = {"counter": 1 << 18, "histogram": 1 << 20}
_GAUGES = ("gauge_mostrecent", "gauge_livesum", "gauge_livemax")
_held: dict[str, int] = {}  # open lock files of this process, by identity: closing one frees it


def prepare(directory: Path) -> bool:
    """Make this process's metrics part of ``directory``. Call it before importing metrics.

    Returns False where that is impossible (metrics were imported before, or the directory
    cannot be written): the process then counts for itself alone, which is no reason not to
    start. A second call changes nothing.
    """
    if _held:
        return True
    if "ingest.metrics" in sys.modules:
        return False
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = _Identity(directory)
    except OSError as error:
        logger.warning("metrics.not_shared", directory=str(directory), reason=str(error))
        return False
    os.environ[ENVIRONMENT] = str(directory)
    from prometheus_client import values  # noqa: PLC0415 - reads the variable set above

    values.ValueClass = values.MultiProcessValue(identity)  # type: ignore[no-untyped-call]  # the library has no annotation there
    return True


class _Identity:
    """Names this process's files, anew after a fork: ``<pid>-<random>``, never used twice.

    prometheus_client asks for it at each change of a value, and documents replacing it. Asking
    the kernel for the process id each time took 5 % of the receiver's time.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = ""
        self._rename()
        os.register_at_fork(after_in_child=self._rename)

    def __call__(self) -> str:
        return self._name

    def _rename(self) -> None:
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._claim()

    def _claim(self) -> None:
        """Hold the lock that says "alive", and allocate the files' blocks.

        The files are memory-mapped: on a full disk, touching a block that was never allocated
        kills the process with SIGBUS.
        """
        with _exclusive(self._directory):
            lock = os.open(self._directory / f"{self._name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        _held[self._name] = lock
        for prefix, size in (_PREALLOCATED | dict.fromkeys(_GAUGES, 1 << 16)).items():
            (self._directory / f"{prefix}_{self._name}.db").write_bytes(bytes(size))


def collect(directory: Path) -> "list[Metric]":
    """Read the metrics of every process that ever counted in ``directory``."""
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - see prepare

    with _exclusive(directory):
        with contextlib.suppress(OSError):  # a full disk: read the files as they are
            _merge_dead(directory)
        files = [str(path) for path in directory.glob("*.db") if path.stat().st_size]
        metrics: list[Metric] = list(MultiProcessCollector.merge(files, accumulate=True))  # type: ignore[no-untyped-call]  # the library has no annotation there
    return metrics


def merge(directory: Path) -> None:
    """Bound the number of files: sum those of dead processes, even if nobody scrapes."""
    with _exclusive(directory):
        _merge_dead(directory)


class _Collector:
    """Adapts ``collect`` to a prometheus_client registry."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> "Iterable[Metric]":
        return collect(self._directory)


def render(directory: Path) -> bytes:
    """Write every process's metrics as the text that Prometheus scrapes."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - see prepare

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(directory))
    return generate_latest(registry)


@contextlib.contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """One process at a time: starting, merging, reading. The kernel frees it on any death."""
    with (directory / "directory.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _merge_dead(directory: Path) -> None:
    _finish(directory)
    dead = [identity for identity in _identities(directory) if not _alive(directory, identity)]
    if not dead:
        return
    merging = directory / "merging"
    shutil.rmtree(merging, ignore_errors=True)
    merging.mkdir()
    for prefix in (*_PREALLOCATED, "gauge_mostrecent"):
        paths = [directory / f"{prefix}_{identity}.db" for identity in (_MERGED, *dead)]
        _write_sum(merging / f"{prefix}_{_MERGED}.db", paths, newest=prefix.startswith("gauge"))
    (merging / "dead").write_text("\n".join(dead), encoding="utf-8")
    merging.rename(directory / "merged")  # the commit; what follows can be done again
    _finish(directory)


def _finish(directory: Path) -> None:
    """Carry out a committed merge, also one whose process was killed half-way."""
    merged = directory / "merged"
    if not merged.exists():
        return
    for identity in (merged / "dead").read_text(encoding="utf-8").split():
        for path in directory.glob(f"*_{identity}.db"):
            path.unlink()
        (directory / f"{identity}.lock").unlink(missing_ok=True)
    for path in merged.glob("*.db"):
        path.rename(directory / path.name)
    shutil.rmtree(merged)


def _identities(directory: Path) -> set[str]:
    found = {path.stem.rpartition("_")[2] for path in directory.glob("*_*.db")}
    return (found | {path.stem for path in directory.glob("*-*.lock")}) - {_MERGED}


def _alive(directory: Path, identity: str) -> bool:
    try:
        lock = os.open(directory / f"{identity}.lock", os.O_RDWR)
    except FileNotFoundError:
        return _process_exists(identity)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _process_exists(identity: str) -> bool:
    """For files of a process that only inherited the variable: named by its bare id."""
    try:
        os.kill(int(identity), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _write_sum(target: Path, sources: Iterable[Path], *, newest: bool) -> None:
    """Sum the values of the same key (buckets are stored one by one), or keep the newest.

    A word of the dead is no newer than now: one whose clock was an hour ahead would else be
    believed for an hour, whatever the living say (found by ops/torture).
    """
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 - see prepare

    totals: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for source in sources:
        if not source.exists() or not source.stat().st_size:
            continue
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(source):  # type: ignore[no-untyped-call]  # the library has no annotation there
            known, known_at = totals[key]
            if not newest:
                totals[key] = (known + value, 0.0)
            elif timestamp >= known_at:
                totals[key] = (value, timestamp)
    # Written in full first: a memory-mapped hole on a full disk is a SIGBUS, this is an OSError.
    target.write_bytes(bytes(8 + sum(len(key.encode()) + 32 for key in totals)))
    merged = MmapedDict(str(target))  # type: ignore[no-untyped-call]  # the library has no annotation there
    now = time.time()
    for key, (value, timestamp) in totals.items():
        merged.write_value(key, value, min(timestamp, now))  # type: ignore[no-untyped-call]  # the library has no annotation there
    merged.close()  # type: ignore[no-untyped-call]  # the library has no annotation there


class Server:
    """Serves ``/metrics`` on a thread of its own while it holds the port; see ``serve``."""

    def __init__(self, host: str, port: int, directory: Path) -> None:
        self._address = (host, port)
        self._handler: type[_Handler] = type("Handler", (_Handler,), {"directory": directory})
        self._stopping = threading.Event()
        self._bound: ThreadingHTTPServer | None = None
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int | None:
        """The bound port, None while another process has it."""
        return None if self._bound is None else int(self._bound.server_address[1])

    def stop(self) -> None:
        """Free the port, for the next process to take."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        said = False
        while not self._stopping.is_set():
            try:
                server = ThreadingHTTPServer(self._address, self._handler)
            except OSError as error:
                if not said:  # a sibling has it, mostly; or a stranger, or nobody can
                    host, port = self._address
                    logger.info("metrics.standing_by", host=host, port=port, reason=str(error))
                said = True
                self._stopping.wait(RETRY_SECONDS)
                continue
            with server:
                self._bound = server
                self._serve(server)
            self._bound = None

    def _serve(self, server: ThreadingHTTPServer) -> None:
        server.timeout = 0.5  # seconds until stop() is noticed
        merge_at = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= merge_at:
                merge_at = time.monotonic() + RETRY_SECONDS
                with contextlib.suppress(OSError):  # a full disk: the files stay as they are
                    merge(self._handler.directory)
            server.handle_request()


class _Handler(BaseHTTPRequestHandler):
    directory: ClassVar[Path]
    timeout = 10.0  # seconds a client may take to say what it wants
    server_version = "hookkeeper"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"metrics are at /metrics\n")
            return
        try:
            self._answer(200, render(self.directory))
        except Exception as error:
            logger.exception("metrics.failed", reason=type(error).__name__)
            self._answer(500, b"the metrics could not be read; the log says why\n")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, _format: str, *_arguments: object) -> None:
        """Say nothing: a scrape is no event."""


def serve(host: str, port: int, directory: Path) -> Server:
    """Serve the metrics of all processes, or stand by until the one that does is gone."""
    return Server(host, port, directory)
