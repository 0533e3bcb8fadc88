"""Fetches the keys that providers publish, keeps them, and keeps them fresh.

The verdict asks (``NeedsKey``: a URL inside the entry's pins), ``ensure`` fetches it once for all
who wait, ``snapshot`` gives what there is as a value. A document is fetched again before it is
old, beside the requests; while its host is away the last good keys stay. Whoever invents key ids
or URLs makes us ask each document once a minute at most, and each domain's unknown documents only
as often as ``_Allowance`` says.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import structlog

from ingest.addresses import Network
from ingest.outbound import Document, Door, OutboundFailed
from ingest.verify.key_set import KeySet, NeedsKey, read_document
from ingest.verify.public_keys import PublicKey

logger = structlog.get_logger(__name__)

_MINUTE: Final = 60_000
_OK: Final = 200  # a redirect is no success
_TIMEOUT_SECONDS: Final = 5.0  # the first request of a source waits for it; most senders give 10 s
_MOST_BYTES: Final = 262_144  # Microsoft's set, the longest known, has 20 kB
_MOST_PAGES: Final = 128
#: How long keys count as fresh: what the answer says, within these bounds; an hour if nothing.
_SHORTEST_FRESH: Final = 5 * _MINUTE
_DEFAULT_FRESH: Final = 60 * _MINUTE
_LONGEST_FRESH: Final = 24 * 60 * _MINUTE
#: A document that lacks a key is asked again after this; a new key waits no longer than that.
_LEAST_BETWEEN: Final = _MINUTE
_FIRST_PAUSE: Final = 5_000  # after a failure; doubles up to the longest
_LONGEST_PAUSE: Final = 5 * _MINUTE
_MAX_AGE: Final = re.compile(r"\bmax-age=(\d{1,9})\b")


@dataclass(slots=True)
class _Page:
    """One document: its keys (() until the first success) and when it may or must be asked."""

    needs: NeedsKey
    keys: tuple[PublicKey, ...] = ()
    refresh_at: int = 0
    not_before: int = 0
    failures: int = 0

    def succeeded(self, keys: tuple[PublicKey, ...], fresh_ms: int, now: int) -> None:
        self.keys, self.failures = keys, 0
        self.refresh_at, self.not_before = now + fresh_ms, now + _LEAST_BETWEEN

    def failed(self, now: int) -> None:
        pause = min(_FIRST_PAUSE * 2 ** min(self.failures, 10), _LONGEST_PAUSE)
        self.failures += 1
        self.refresh_at = self.not_before = now + pause


@dataclass(slots=True)
class _Allowance:
    """How many documents that nobody has seen may be asked of one domain: 20, then one in 3 s."""

    left: float = 20.0
    counted_at: int = 0

    def take(self, now: int) -> bool:
        if self.counted_at:
            self.left = min(20.0, self.left + max(0, now - self.counted_at) / 3_000)
        self.counted_at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class KeyFetcher:
    """The keys of one process. Belongs to one event loop; ``close`` it there.

    ``clock`` tells ms since the epoch. ``allow`` names private networks that keys may come from.
    """

    door: Door
    clock: Callable[[], int]
    allow: Iterable[Network] = ()
    _pages: dict[str, _Page] = field(default_factory=dict)
    _allowances: dict[str, _Allowance] = field(default_factory=dict)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _known: KeySet = field(default_factory=KeySet)
    _next_refresh: float = float("inf")

    async def ensure(self, needs: NeedsKey) -> None:
        """Return when there is no more to wait for: fetched, failed, or not to be asked now.

        Never raises for a provider that is away. What came is in the next ``snapshot``.
        """
        task = self._running.get(needs.url) or self._begin(needs)
        if task is not None:
            await asyncio.wait([task])  # whoever gives up waiting stops nobody else's fetch

    def snapshot(self) -> KeySet:
        """Every key there is; begins to refresh what is due, and does not wait for it."""
        now = self.clock()
        if now >= self._next_refresh:
            due = [page for page in self._pages.values() if page.keys and page.refresh_at <= now]
            for page in due:
                self._running.get(page.needs.url) or self._start(page)
            self._plan()
        return self._known

    async def confirm(self, url: str, /) -> bool:
        """Fetch what a proved request named at its provider (SNS: SubscribeURL); never raises."""
        if not self._allowed(url):
            return False
        try:
            document = await self.door.get(
                url, timeout_seconds=_TIMEOUT_SECONDS, most_bytes=_MOST_BYTES, allow=self.allow
            )
        except OutboundFailed as error:
            logger.warning("subscription.not_confirmed", host=_domain(url), code=error.code)
            return False
        logger.info("subscription.confirmed", host=_domain(url), status=document.status)
        return document.status == _OK

    async def close(self) -> None:
        """Stop every fetch. The door stays open: it is the caller's."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, needs: NeedsKey) -> asyncio.Task[None] | None:
        now, page = self.clock(), self._pages.get(needs.url)
        if page is None:
            if not self._allowed(needs.url):
                return None
            page = self._remember(_Page(needs))
        return None if now < page.not_before else self._start(page)

    def _allowed(self, url: str) -> bool:
        domain = _domain(url)
        if self._allowances.setdefault(domain, _Allowance()).take(self.clock()):
            return True
        logger.warning("keys.not_asked", domain=domain, reason="too many unknown documents")
        return False

    def _remember(self, page: _Page) -> _Page:
        if len(self._pages) >= _MOST_PAGES:
            idle = [url for url in self._pages if url not in self._running]
            useless = [url for url in idle if not self._pages[url].keys]
            for url in (useless or idle)[:1]:
                del self._pages[url]
        self._pages[page.needs.url] = page
        return page

    def _start(self, page: _Page) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._fetch(page))
        self._running[page.needs.url] = task
        return task

    async def _fetch(self, page: _Page) -> None:
        url = page.needs.url
        try:
            document = await self.door.get(
                url, timeout_seconds=_TIMEOUT_SECONDS, most_bytes=_MOST_BYTES, allow=self.allow
            )
            keys = _keys(document, page.needs.field)
        except OutboundFailed as error:
            page.failed(self.clock())
            logger.warning("keys.not_fetched", url=url, code=error.code, kept=len(page.keys))
        else:
            page.succeeded(keys, _fresh_ms(document), self.clock())
            logger.info("keys.fetched", url=url, keys=len(keys))
            self._publish()
        finally:
            del self._running[url]
            self._plan()

    def _publish(self) -> None:
        known = {url: page.keys for url, page in self._pages.items() if page.keys}
        self._known = KeySet(MappingProxyType(known))

    def _plan(self) -> None:
        """Find the next moment at which a refresh is due; what runs plans again at its end."""
        self._next_refresh = min(
            (
                page.refresh_at
                for url, page in self._pages.items()
                if page.keys and url not in self._running
            ),
            default=float("inf"),
        )


def _domain(url: str) -> str:
    """The last two labels: a pin such as ``sns.*.amazonaws.com`` has hosts without end."""
    return ".".join(urlsplit(url).netloc.rsplit(".", 2)[-2:])


def _keys(document: Document, field_path: str | None) -> tuple[PublicKey, ...]:
    """Read the keys of an answer. Raises OutboundFailed where it is none or holds none."""
    if document.status != _OK:
        raise OutboundFailed("bad_status", f"The answer was {document.status}.")
    keys = read_document(document.body, field_path)
    if not keys:
        raise OutboundFailed("no_keys", "The document holds no public key that can be used.")
    return keys


def _fresh_ms(document: Document) -> int:
    """How long the answer says it is fresh (RFC 9111 §5.2.2.1), within bounds."""
    told = _MAX_AGE.search(document.headers.get("cache-control", "").lower())
    fresh = int(told[1]) * 1_000 if told else _DEFAULT_FRESH
    return max(_SHORTEST_FRESH, min(fresh, _LONGEST_FRESH))
