"""What the receiver keeps ready for each source: its settings, and its counters."""

from collections.abc import Callable
from functools import cache

from ingest import metrics
from ingest.answers import Answer, Outcome
from ingest.config.model import Config, Source
from ingest.verify import credential_headers, credential_query


class Entrance:
    """One source's way in, or, with ``source`` None, where every unknown name ends.

    Its label sets exist from the start, so a rate has a zero to begin at.
    """

    def __init__(self, source: Source | None) -> None:
        self.source = source
        self.label = source.name if source else metrics.UNKNOWN_SOURCE
        self.credential_headers = credential_headers(source.provider) if source else frozenset()
        self.credential_query = credential_query(source.provider) if source else frozenset()
        self._received = metrics.RECEIVED.labels(self.label)
        self._requests = {one: metrics.REQUESTS.labels(self.label, one.value) for one in Outcome}
        # Finding a label set costs 2 us, and an overload asks for one ten thousand times a second.
        self._shed = cache(lambda reason: metrics.SHED.labels(self.label, reason))
        self._ack_seconds = metrics.ACK_SECONDS.labels(self.label)

    def begin(self) -> None:
        """Count a request that has arrived."""
        self._received.inc()

    def end(self, answer: Answer, size: int, seconds: float) -> None:
        """Count how it ended; ``begin`` and ``end`` are called once each."""
        self._requests[answer.outcome].inc()
        match answer.outcome:
            case Outcome.ACCEPTED:
                metrics.BODY_BYTES.observe(size)
                self._ack_seconds.observe(seconds)
            case Outcome.DUPLICATE:
                self._ack_seconds.observe(seconds)
            case Outcome.REJECTED:
                metrics.REJECTED.labels(self.label, answer.reason).inc()
            case Outcome.SHED:
                self._shed(answer.reason).inc()
            case Outcome.HANDSHAKE:
                pass


class Entrances:
    """Finds the entrance of a name in the configuration of the moment."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._config = config
        self._built_for: Config | None = None
        self._entrances: dict[str, Entrance] = {}
        self._unknown = Entrance(None)

    def find(self, name: str) -> Entrance:
        """Return the source's entrance, built anew after a change of the configuration."""
        config = self._config()
        if config is not self._built_for:
            self._entrances = {one.name: Entrance(one) for one in config.sources.values()}
            self._built_for = config
        return self._entrances.get(name, self._unknown)
