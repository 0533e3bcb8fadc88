"""Process settings: one frozen object from HOOKKEEPER_* variables, strict and self-describing.

A variable wins over the pipeline that is running in this folder, which wins over the default.
So a command run beside ``hookkeeper up`` finds its database, broker and ports by itself.
"""

import fcntl
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from ingest.addresses import Network
from ingest.config.durations import parse_duration, parse_size
from ingest.config.mistakes import Mistakes, did_you_mean
from ingest.origin import origin

PREFIX = "HOOKKEEPER_"
#: Known, and read elsewhere: ingest/failpoints.py, for crash tests.
RESERVED = frozenset({"HOOKKEEPER_FAILPOINTS"})
#: What a running pipeline tells the commands beside it, through <data>/run.json.
_SHARED = (
    *("database_url", "broker_url", "host", "port", "metrics_port", "console_port"),
    "public_url",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything a process is told by its environment. Sizes in bytes, paths absolute.

    The repr masks the passwords of URLs.
    """

    database_url: str
    broker_url: str
    config_path: Path
    data: Path
    host: str
    port: int
    public_url: str | None
    metrics_host: str
    metrics_port: int
    console_port: int
    console_token: str
    log_level: str
    log_format: Literal["json", "console"]
    workers: int
    threads: int
    disk_low_water: int
    key_file: Path
    commit_timeout_seconds: float
    max_in_flight: int
    head_timeout_seconds: float
    body_timeout_seconds: float
    body_rate: int
    connections_per_address: int
    trusted_proxies: tuple[Network, ...]

    @property
    def origin(self) -> str:
        """Scheme and address by which senders know the receiver."""
        return self.public_url or origin(self.host, self.port)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.describe().items())
        return f"Settings({shown})"

    def describe(self) -> dict[str, Any]:
        """Every setting as it may be shown to people: passwords in URLs are ``***``."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["trusted_proxies"] = ", ".join(map(str, self.trusted_proxies))
        return {name: masked(v) if isinstance(v, str) else v for name, v in values.items()}


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable: ``name`` without the prefix; ``default`` as a person would write it."""

    name: str
    field: str
    type: str
    default: str | None
    help: str
    parse: Callable[[str], Any]

    @property
    def variable(self) -> str:
        """The environment variable: HOOKKEEPER_PORT."""
        return PREFIX + self.name


def load_settings(environ: Mapping[str, str], cwd: Path) -> Settings:
    """Settings from the environment, a running pipeline, and the defaults, in that order.

    An empty variable counts as not set. Raises one ConfigError that lists every mistake.
    """
    mistakes = Mistakes("environment")
    _refuse_unknown(environ, mistakes)
    data = cwd / (environ.get(PREFIX + "DATA") or "data")
    running = running_pipeline(data) or {}
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environ.get(setting.variable) or _default(setting, running, data)
        try:
            values[setting.field] = None if text is None else setting.parse(text)
        except ValueError as error:
            mistakes.add("", setting.variable, str(error))
    mistakes.raise_if_any()
    for path in ("config_path", "data", "key_file"):
        values[path] = cwd / values[path]
    values["console_token"] = _from_folder(cwd, values["console_token"])
    return Settings(**values)


def running_pipeline(data: Path) -> dict[str, Any] | None:
    """What ``hookkeeper up`` wrote to <data>/run.json, while it runs; else None.

    It runs as long as it holds its flock on <data>/up.lock, which no crash can leave behind.
    The lock is only tried, shared and for microseconds: ``up`` must try its own more than once.
    """
    if not _is_locked(data / "up.lock"):
        return None
    try:
        written = json.loads((data / "run.json").read_bytes())
    except (OSError, ValueError):
        return None
    return written if isinstance(written, dict) else None


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def masked(url: str) -> str:
    """The text with the password of a URL replaced by ``***``."""
    return re.sub(r"(://[^:/?#@]*):[^/?#]*@", r"\1:***@", url)


def _default(setting: Setting, running: Mapping[str, Any], data: Path) -> str | None:
    if setting.field in _SHARED and setting.field in running:
        return str(running[setting.field])
    return setting.default and setting.default.replace("<data>", str(data))


def _refuse_unknown(environ: Mapping[str, str], mistakes: Mistakes) -> None:
    known = {setting.variable for setting in SETTINGS}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known | RESERVED:
            mistakes.add("", name, f"unknown setting; {did_you_mean(name, known)}")


def _from_folder(folder: Path, reference: str) -> str:
    """A reference to a secret, with the path of a file made absolute."""
    kind, _, name = reference.partition(":")
    return f"{kind}:{folder / name}" if kind == "file" else reference


def _url(schemes: Iterable[str], example: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        # Hosting platforms still hand out the alias that PostgreSQL drivers dropped.
        text = re.sub(r"^postgres://", "postgresql://", text)
        if urlsplit(text).scheme not in schemes:
            raise ValueError(f'expected a URL such as "{example}", got {masked(text)!r}')
        return text.rstrip("/") if text.startswith("http") else text

    return parse


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not lowest <= int(text) <= highest:
            raise ValueError(f"expected a whole number from {lowest} to {highest}, got {text!r}")
        return int(text)

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"expected {' or '.join(choices)}, got {text!r}")
        return text.lower()

    return parse


def _seconds(text: str) -> float:
    milliseconds = parse_duration(text)
    if not milliseconds:
        raise ValueError(f'expected more than nothing, such as "900ms", got {text!r}')
    return milliseconds / 1_000


def _bytes_a_second(text: str) -> int:
    size = parse_size(text)
    if not size:
        raise ValueError(f'expected more than nothing, such as "64KiB", got {text!r}')
    return size


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise ValueError(f'expected networks such as "10.0.0.0/8, 127.0.0.1": {error}') from None


def _reference(text: str) -> str:
    kind, _, name = text.partition(":")
    if kind not in {"env", "file"} or not name:
        # Not quoted back: what was written here is probably the secret.
        raise ValueError('expected "file:PATH" or "env:NAME", which say where the secret is')
    return text


_DATABASES = ("sqlite", "postgresql", "postgresql+psycopg")
_PORT = _number(0, 65_535)
_COUNT = _number(1, 1_024)

#: Every setting there is, in the order of the reference in README.
SETTINGS: tuple[Setting, ...] = (
    Setting(
        "CONFIG",
        "config_path",
        "path",
        "hookkeeper.toml",
        "Sources, destinations, routes and handlers.",
        Path,
    ),
    Setting(
        "DATA",
        "data",
        "path",
        "data",
        "Folder for everything made at run time.",
        Path,
    ),
    Setting(
        "DATABASE_URL",
        "database_url",
        "URL",
        "sqlite:///<data>/hookkeeper.db",
        "Where events are kept: sqlite:/// or postgresql://.",
        _url(_DATABASES, "postgresql://hookkeeper@localhost/hookkeeper"),
    ),
    Setting(
        "BROKER_URL",
        "broker_url",
        "URL",
        "redis://127.0.0.1:6379/0",
        "Redis or Valkey that wakes the workers; disposable.",
        _url(("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0"),
    ),
    Setting("HOST", "host", "address", "127.0.0.1", "Address the receiver listens on.", str),
    Setting(
        "PORT", "port", "number", "8080", "Port the receiver listens on; 0: any free one.", _PORT
    ),
    Setting(
        "PUBLIC_URL",
        "public_url",
        "URL",
        None,
        "Address that senders use, and what providers that sign URLs sign; unset: http://HOST:PORT.",
        _url(("http", "https"), "https://hooks.example.com"),
    ),
    Setting(
        "METRICS_HOST",
        "metrics_host",
        "address",
        "127.0.0.1",
        "Address of the metrics port.",
        str,
    ),
    Setting("METRICS_PORT", "metrics_port", "number", "9464", "Port for Prometheus.", _PORT),
    Setting(
        "CONSOLE_PORT",
        "console_port",
        "number",
        "8091",
        "Loopback port of the console's API; 0: any free one.",
        _PORT,
    ),
    Setting(
        "CONSOLE_TOKEN",
        "console_token",
        "reference",
        "file:<data>/console.token",
        "The console's bearer token, file:PATH or env:NAME; a missing file is made.",
        _reference,
    ),
    Setting(
        "LOG_LEVEL",
        "log_level",
        "word",
        "info",
        "debug, info, warning or error.",
        _choice("debug", "info", "warning", "error"),
    ),
    Setting(
        "LOG_FORMAT",
        "log_format",
        "word",
        "json",
        "json, or console for people.",
        _choice("json", "console"),
    ),
    Setting("WORKERS", "workers", "number", "2", "Worker processes that `up` starts.", _COUNT),
    Setting("THREADS", "threads", "number", "8", "Threads of each worker process.", _COUNT),
    Setting(
        "DISK_LOW_WATER",
        "disk_low_water",
        "size",
        "256MB",
        "With less free disk than this the receiver answers 503.",
        parse_size,
    ),
    Setting(
        "KEY_FILE",
        "key_file",
        "path",
        "<data>/hookkeeper.key",
        "Key of the digests that stand for credentials.",
        Path,
    ),
    Setting(
        "COMMIT_TIMEOUT",
        "commit_timeout_seconds",
        "duration",
        "900ms",
        "A request waits this long for its commit, then gets 503.",
        _seconds,
    ),
    Setting(
        "MAX_IN_FLIGHT",
        "max_in_flight",
        "size",
        "256MB",
        "Bytes of bodies held in memory before the receiver answers 503.",
        parse_size,
    ),
    Setting(
        "HEAD_TIMEOUT",
        "head_timeout_seconds",
        "duration",
        "10s",
        "The head of a request has to come within this, and answers to be read.",
        _seconds,
    ),
    Setting(
        "BODY_TIMEOUT",
        "body_timeout_seconds",
        "duration",
        "30s",
        "A body has to come within this, and the time that BODY_RATE earns it.",
        _seconds,
    ),
    Setting(
        "BODY_RATE",
        "body_rate",
        "size",
        "64KiB",
        "So many bytes that have come earn a body another second.",
        _bytes_a_second,
    ),
    Setting(
        "CONNECTIONS_PER_ADDRESS",
        "connections_per_address",
        "number",
        "256",
        "Connections that one address (of IPv6 one /64) may have; this machine has no limit.",
        _number(1, 1_000_000),
    ),
    Setting(
        "TRUSTED_PROXIES",
        "trusted_proxies",
        "networks",
        "",
        "Proxies whose X-Forwarded-For or Forwarded is believed: 10.0.0.0/8, 127.0.0.1.",
        _networks,
    ),
)
