"""The scheduler's look for what people should know, beside its counts.

Everything comes from the database, but refused signatures, which are never stored: those are
counted in the metrics of the processes on this host.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import structlog

from actors.own_events import own_event
from actors.publishing import wake_events
from ingest import exposition
from ingest.alerts import AlertName, AlertState, Seen, Standing, content, event_type
from ingest.config.model import Alerts
from ingest.events import Arrival
from ingest.queue import WakeBroker
from ingest.store import Database
from ingest.store import alerts as store
from ingest.store.ledger import Depth
from ingest.verify.request import Reason

logger = structlog.get_logger(__name__)

#: What a wrong secret, or somebody who has none, is refused for.
_SIGNATURES = frozenset(
    {Reason.BAD_SIGNATURE, Reason.MISSING_SIGNATURE, Reason.MALFORMED_SIGNATURE}
)

#: How many signatures were refused since the processes' metrics began, by source.
CountRefused = Callable[[], Counter[str]]


class Alerting:
    """Looks, and tells of changes. ``asked`` None: nobody wants to know."""

    def __init__(
        self,
        database: Database,
        broker: WakeBroker,
        asked: Callable[[], Alerts | None],
        refused: CountRefused,
    ) -> None:
        self._database = database
        self._broker = broker
        self._asked = asked
        self._refused = refused
        self._history: deque[tuple[int, Counter[str]]] = deque()
        self._attacked: set[str] = set()

    def step(self, depths: Iterable[Depth], now: int) -> None:
        """Look once, ``now`` in ms. Raises StoreUnavailable."""
        alerts = self._asked()
        if alerts is None:
            return
        seen = {
            (one.name, one.subject): one
            for one in (
                *store.dead_letters(self._database, alerts.window_ms),
                *store.failing(self._database, alerts.failing_ms),
                *_behind(depths, alerts),
                *self._badly_signed(alerts, now),
            )
            if one.name is not AlertName.DEAD_LETTER or one.count >= alerts.dead_letters
        }
        firing = store.firing(self._database)
        for name, subject in sorted(seen.keys() | firing.keys()):
            one = seen.get((name, subject))
            unseen = one is None and name is AlertName.BAD_SIGNATURES
            if unseen and not self._is_over(alerts, subject, firing[name, subject]):
                continue
            self._note(alerts, store.Change(name, subject, one))

    def _note(self, alerts: Alerts, change: store.Change) -> None:
        event_id = store.note(
            self._database,
            change,
            alerts.cooldown_ms,
            lambda standing, told, now: _event(change, standing, told, now),
        )
        if event_id is not None:
            logger.warning("alert.told", name=change.name, subject=change.subject, id=event_id)
            wake_events(self._broker, [event_id])

    def _badly_signed(self, alerts: Alerts, now: int) -> Iterator[Seen]:
        """Compare with the count at the beginning of the window, or as far back as it is known."""
        total = self._refused()
        self._history.append((now, total))
        while self._history[0][0] < now - alerts.window_ms:
            self._history.popleft()
        before = self._history[0][1]
        for source, count in total.items():
            if count - before[source] >= alerts.bad_signatures:
                self._attacked.add(source)
                yield Seen(AlertName.BAD_SIGNATURES, source, count - before[source])

    def _is_over(self, alerts: Alerts, source: str, told_ago_ms: int) -> bool:
        """Whether refused signatures that are not seen any more have ended.

        A scheduler that has just started, or is of another host, has not seen them at all. Who saw
        them knows that they are over; they are, too, where nobody has told of them again in time.
        """
        if source in self._attacked:
            self._attacked.discard(source)
            return True
        return told_ago_ms > alerts.cooldown_ms + alerts.window_ms


def refused_signatures(directory: Path) -> Counter[str]:
    """Count the refused signatures of all processes of this host, by source."""
    counts: Counter[str] = Counter()
    if not directory.exists():
        return counts  # no process of this host shares its metrics
    for metric in exposition.collect(directory):
        for sample in metric.samples:
            refused = sample.name == "hookkeeper_rejected_total"
            if refused and sample.labels["reason"] in _SIGNATURES:
                counts[sample.labels["source"]] += int(sample.value)
    return counts


def _behind(depths: Iterable[Depth], alerts: Alerts) -> Iterator[Seen]:
    for depth in depths:
        if (depth.oldest_age_ms or 0) >= alerts.backlog_ms:
            yield Seen(AlertName.BACKLOG, depth.queue, depth.count, depth.oldest_age_ms)


def _event(change: store.Change, standing: Standing, told: AlertState, now: int) -> Arrival:
    """The alert as it is stored."""
    lasted_ms = change.seen.lasted_ms if change.seen else None
    said = content(change.name, change.subject, told, standing, lasted_ms)
    return own_event(event_type(change.name, told), said, now)
