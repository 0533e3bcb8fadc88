"""Keeps what proved nothing, behind its answer and within the bounds of its source.

A flood of forgeries costs a flood of answers and no more: what is over a bound is counted, told in
one log line a second, and dropped before anything is made of it.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote_plus

import uuid_utils

from ingest import metrics
from ingest.allowance import Allowance, Rate
from ingest.credentials import CredentialKey
from ingest.entrances import Entrance
from ingest.heading import Heading
from ingest.health import Room
from ingest.rejection import Fate, Keeping, RejectedRequest, cut, likely_credential
from ingest.shed import Shed
from ingest.verify import Rejected, Request

_DAY_MS = 86_400_000
_MINUTE_SECONDS = 60


class Shelf(Protocol):
    """What a keeper needs of the writer."""

    def keep(self, request: RejectedRequest) -> bool:
        """Have it stored sometime; False where there is no room for it on the way."""


class Keeper:
    """For one event loop. ``clock``: monotonic seconds."""

    def __init__(
        self,
        shelf: Shelf,
        disk: Room,
        key: CredentialKey,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf = shelf
        self._disk = disk
        self._key = key
        self._clock = clock
        self._allowances: dict[str, Allowance] = {}
        self._dropped = Shed("rejected.not_kept")

    def offer(
        self, entrance: Entrance, heading: Heading, request: Request, verdict: Rejected, now: int
    ) -> None:
        """Keep a request that was received at ``now`` (ms), if it may be; never waits or raises."""
        keeping = entrance.source.rejected if entrance.source else None
        if keeping is None:
            return
        fate = self._refusal(entrance.label, keeping, request)
        if fate is not None:
            self._drop(entrance.label, fate)
            return
        loop = asyncio.get_running_loop()
        loop.call_soon(self._send, entrance, keeping, heading, request, verdict, now)

    def _refusal(self, source: str, keeping: Keeping, request: Request) -> Fate | None:
        if len(request.body) > keeping.size:
            return Fate.TOO_LARGE
        if self._disk.low:
            return Fate.DISK_LOW
        allowance = self._allowances.get(source)
        now = self._clock()
        rate = Rate(keeping.rate, _MINUTE_SECONDS)
        if allowance is None or allowance.rate != rate:
            allowance = self._allowances[source] = Allowance(rate, now)
        return None if allowance.take(now) else Fate.TOO_MANY

    def _send(
        self,
        entrance: Entrance,
        keeping: Keeping,
        heading: Heading,
        request: Request,
        verdict: Rejected,
        now: int,
    ) -> None:
        kept = RejectedRequest(
            id=str(uuid_utils.uuid7()),
            source=entrance.label,
            received_at=now,
            expires_at=now + keeping.days * _DAY_MS,
            method=request.method,
            url=self._url(entrance, heading),
            headers=self._headers(entrance, heading.headers),
            content_type=heading.content_type,
            body=request.body,
            body_sha256=hashlib.sha256(request.body).digest(),
            reason=verdict.reason.value,
            detail=cut(verdict.detail),
            trace_id=heading.trace_id,
            total=keeping.total,
        )
        if not self._shelf.keep(kept):
            self._drop(entrance.label, Fate.BUSY)

    def _headers(
        self, entrance: Entrance, headers: tuple[tuple[str, str], ...]
    ) -> tuple[tuple[str, str], ...]:
        likely = {name for name, _ in headers if likely_credential(name)}
        names = entrance.credential_headers | (likely - entrance.signature_headers)
        return self._key.conceal_headers(headers, names)

    def _url(self, entrance: Entrance, heading: Heading) -> str:
        if not heading.query:
            return heading.url
        names = {unquote_plus(part.partition("=")[0]) for part in heading.query.split("&")}
        likely = {name for name in names if likely_credential(name)}
        concealed = self._key.conceal_query(heading.query, entrance.credential_query | likely)
        return heading.url.removesuffix(heading.query) + concealed

    def _drop(self, source: str, fate: Fate) -> None:
        metrics.REJECTED_KEPT.labels(source, fate).inc()
        self._dropped.add(source, fate)
