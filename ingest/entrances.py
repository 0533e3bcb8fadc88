"""What the receiver keeps ready for each source: its settings, and its counters."""

import math
import time
from collections.abc import Callable
from functools import cache

from ingest import answers, metrics
from ingest.allowance import Allowance
from ingest.answers import Answer, Outcome
from ingest.config.model import Config, Source
from ingest.verify import credential_headers, credential_query


class Entrance:
    """One source's way in, or, with ``source`` None, where every unknown name ends.

    Its label sets exist from the start, so a rate has a zero to begin at. ``clock``: monotonic
    seconds.
    """

    def __init__(self, source: Source | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self._clock = clock
        rate = source.rate_limit if source else None
        self.allowance = None if rate is None else Allowance(rate, clock())
        self.label = source.name if source else metrics.UNKNOWN_SOURCE
        self.credential_headers = credential_headers(source.provider) if source else frozenset()
        self.credential_query = credential_query(source.provider) if source else frozenset()
        named = source.provider.header if source else ()
        self.signature_headers = frozenset(name.lower() for name in named)
        self._received = metrics.RECEIVED.labels(self.label)
        self._requests = {one: metrics.REQUESTS.labels(self.label, one.value) for one in Outcome}
        # Finding a label set costs 2 us, and an overload asks for one ten thousand times a second.
        self._shed = cache(lambda reason: metrics.SHED.labels(self.label, reason))
        self._ack_seconds = metrics.ACK_SECONDS.labels(self.label)
        deadline = source.provider.deadline_seconds if source else None
        self._deadline = deadline or math.inf
        self._ack_share = metrics.ACK_DEADLINE_RATIO.labels(self.label) if deadline else None

    def limited(self) -> Answer | None:
        """What to say where more comes than the source's rate limit; else one more has come."""
        if self.allowance is None or self.allowance.take(self._clock()):
            return None
        message = "More requests come for this source than its rate limit allows."
        return answers.limited("rate_limited", message, self.allowance.wait_seconds)

    def begin(self) -> None:
        """Count a request that has arrived."""
        self._received.inc()

    def end(self, answer: Answer, size: int, seconds: float) -> None:
        """Count how it ended; ``begin`` and ``end`` are called once each."""
        self._requests[answer.outcome].inc()
        match answer.outcome:
            case Outcome.ACCEPTED:
                metrics.BODY_BYTES.observe(size)
                self._acknowledged(seconds)
            case Outcome.DUPLICATE:
                self._acknowledged(seconds)
            case Outcome.REJECTED:
                metrics.REJECTED.labels(self.label, answer.reason).inc()
            case Outcome.SHED:
                self._shed(answer.reason).inc()
            case Outcome.HANDSHAKE:
                pass

    def _acknowledged(self, seconds: float) -> None:
        self._ack_seconds.observe(seconds)
        if self._ack_share is not None:
            self._ack_share.observe(seconds / self._deadline)


class Entrances:
    """Finds the entrance of a name in the configuration of the moment."""

    def __init__(
        self, config: Callable[[], Config], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._clock = clock
        self._built_for: Config | None = None
        self._entrances: dict[str, Entrance] = {}
        self.unknown = Entrance(None)

    def find(self, name: str) -> Entrance:
        """Return the source's entrance, built anew after a change of the configuration."""
        config = self._config()
        if config is not self._built_for:
            before = self._entrances
            self._entrances = {
                one.name: _kept(Entrance(one, self._clock), before.get(one.name))
                for one in config.sources.values()
            }
            self._built_for = config
        return self._entrances.get(name, self.unknown)


def _kept(entrance: Entrance, before: Entrance | None) -> Entrance:
    """A change of something else is no new allowance."""
    old = before.allowance if before is not None else None
    if old is not None and entrance.source and old.rate == entrance.source.rate_limit:
        entrance.allowance = old
    return entrance
