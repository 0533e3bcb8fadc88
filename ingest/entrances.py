"""What the receiver keeps ready for each source: its settings, and its counters."""

import math
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

from ingest import answers, metrics
from ingest.allowance import Allowance
from ingest.answers import Answer, Outcome
from ingest.config.model import Config, Source
from ingest.verify import credential_headers, credential_query

#: Has something called soon: ``call_soon`` of an event loop.
Soon = Callable[[Callable[[], None]], object]


def at_once(call: Callable[[], None]) -> None:
    """For who has no event loop."""
    call()


class Entrance:
    """One source's way in, or, with ``source`` None, where every unknown name ends.

    Its label sets exist from the start, so a rate has a zero to begin at. ``clock``: monotonic
    seconds. What one turn of the event loop counts is written by one write a figure (``soon``): a
    request has eight, of 2 us each.
    """

    def __init__(
        self,
        source: Source | None,
        clock: Callable[[], float] = time.monotonic,
        soon: Soon = at_once,
    ) -> None:
        self.source = source
        self._clock = clock
        self._soon = soon
        self._begun = 0
        self._ended: Counter[Outcome] = Counter()
        self._sizes: list[float] = []
        self._seconds: list[float] = []
        self._noted = False
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
        self._begun += 1
        self._write_soon()

    def end(self, answer: Answer, size: int, seconds: float) -> None:
        """Count how it ended; ``begin`` and ``end`` are called once each."""
        self._ended[answer.outcome] += 1
        match answer.outcome:
            case Outcome.ACCEPTED:
                self._sizes.append(size)
                self._seconds.append(seconds)
            case Outcome.DUPLICATE:
                self._seconds.append(seconds)
            case Outcome.REJECTED:
                metrics.REJECTED.labels(self.label, answer.reason).inc()
            case Outcome.SHED:
                self._shed(answer.reason).inc()
            case Outcome.HANDSHAKE:
                pass
        self._write_soon()

    def _write_soon(self) -> None:
        if not self._noted:
            self._noted = True
            self._soon(self._write)

    def _write(self) -> None:
        """Write down what was counted meanwhile."""
        self._noted = False
        begun, self._begun = self._begun, 0
        ended, self._ended = self._ended, Counter()
        seconds, self._seconds = self._seconds, []
        sizes, self._sizes = self._sizes, []
        self._received.inc(begun)
        for outcome, count in ended.items():
            self._requests[outcome].inc(count)
        metrics.BODY_BYTES.observe_all(sizes)
        self._ack_seconds.observe_all(seconds)
        if self._ack_share is not None:
            self._ack_share.observe_all([one / self._deadline for one in seconds])


class Entrances:
    """Finds the entrance of a name in the configuration of the moment."""

    def __init__(
        self,
        config: Callable[[], Config],
        clock: Callable[[], float] = time.monotonic,
        soon: Soon = at_once,
    ) -> None:
        self._config = config
        self._clock = clock
        self._soon = soon
        self._built_for: Config | None = None
        self._entrances: dict[str, Entrance] = {}
        self.unknown = Entrance(None, clock, soon)

    def find(self, name: str) -> Entrance:
        """Return the source's entrance, built anew after a change of the configuration."""
        config = self._config()
        if config is not self._built_for:
            before = self._entrances
            self._entrances = {
                one.name: _kept(Entrance(one, self._clock, self._soon), before.get(one.name))
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
