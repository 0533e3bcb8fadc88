"""The nouns of hookkeeper.toml, read, checked and frozen. Secrets never show in a repr."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ingest.allowance import Rate
from ingest.backoff import RetryPolicy
from ingest.events import DestinationKind
from ingest.message import Message
from ingest.patterns import Pattern
from ingest.rejection import Keeping
from ingest.schedules import Schedule
from ingest.verify.provider import Provider
from ingest.verify.request import Secret

Network = IPv4Network | IPv6Network
DedupeMode = Literal["provider", "body", "off"]

DEFAULT_MAX_BODY = 10_000_000
DEFAULT_TIMEOUT_SECONDS = 15.0
DEFAULT_RETENTION_DAYS = 90
#: A dedupe key lives this long, or for the provider's own retry window where that is longer.
DEFAULT_DEDUPE_WINDOW_MS = 7 * 86_400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Who may post to ``/in/<name>`` and how that is proved. ``max_body`` in bytes.

    ``rejected``: how much is kept of what proves nothing; None: none of it. ``rate_limit``: how
    many requests each receiver lets in; None: as many as it can.
    """

    name: str
    provider: Provider
    secrets: tuple[Secret, ...] = ()
    max_body: int = DEFAULT_MAX_BODY
    dedupe: DedupeMode = "provider"
    dedupe_window_ms: int = DEFAULT_DEDUPE_WINDOW_MS
    retention_days: int | None = None
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rejected: Keeping | None = field(default_factory=Keeping)
    rate_limit: Rate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """A mail server, and whom it is to send to whom.

    ``tls``: from the first byte (``implicit``), before anything is said (``starttls``), or
    ``none``. ``sender`` and ``recipients`` may have names: ``Ops <ops@example.com>``.
    """

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """An HTTP endpoint that events are delivered to, or people who are told of them.

    ``secret`` signs (Standard Webhooks); ``allow`` names private networks it may be in.
    ``url`` and ``headers`` may carry tokens, so no repr shows them. ``message`` is what people are
    told, None for HTTP; ``mail`` is how, for kind email. ``digest_ms``: one message a window.
    """

    name: str
    url: str = field(repr=False)
    kind: DestinationKind = DestinationKind.HTTP
    secret: Secret | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    concurrency: int | None = None
    allow: tuple[Network, ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    queue: str = "deliver"
    message: Message | None = field(default=None, repr=False)
    mail: Mail | None = None
    digest_ms: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """Events that match ``pattern`` go to the destinations named in ``to``."""

    pattern: Pattern
    to: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alerts:
    """When Hookkeeper itself has something to tell (ms, and counts within ``window_ms``).

    ``cooldown_ms``: the same alert of the same subject is not told more often.
    """

    to: tuple[str, ...] = ()
    cooldown_ms: int = 3_600_000
    window_ms: int = 600_000
    dead_letters: int = 1
    failing_ms: int = 600_000
    bad_signatures: int = 20
    backlog_ms: int = 300_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedules:
    """Those that fire, the names of those that somebody disabled, and whom the report goes to."""

    active: Mapping[str, Schedule] = field(default_factory=lambda: MappingProxyType({}))
    disabled: frozenset[str] = frozenset()
    report_to: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One whole, valid hookkeeper.toml. Without a file all of it is empty.

    ``secret_files`` are the files that its secrets came from. ``alerts`` None: none are made.
    ``export_places``: where the API may export to; None: only beside the database.
    """

    sources: Mapping[str, Source] = field(default_factory=lambda: MappingProxyType({}))
    destinations: Mapping[str, Destination] = field(default_factory=lambda: MappingProxyType({}))
    routes: tuple[Route, ...] = ()
    handler_modules: tuple[str, ...] = ()
    retention_days: int = DEFAULT_RETENTION_DAYS
    secret_files: tuple[Path, ...] = ()
    alerts: Alerts | None = None
    schedules: Schedules = field(default_factory=Schedules)
    export_places: tuple[str, ...] | None = None
