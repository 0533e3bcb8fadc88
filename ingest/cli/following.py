"""Follow new events and their outcomes without missing one, by reading a trailing window.

An event's id is made when it arrives and is visible once it is committed, so a cursor at the
newest id would skip whatever commits late (design.md, Storage). The whole last minute is
read at each look, and what was shown before is left out.
"""

import threading
from collections.abc import Iterator

from ingest.cli import output
from ingest.errors import StoreUnavailable
from ingest.events import TERMINAL
from ingest.store import Database, queries
from ingest.store.queries import DeliveryRow, EventRow

WINDOW_MS = 60_000
_PAUSE_SECONDS = 0.5
_PAGE = 1_000
#: Outcomes are awaited for this many of the newest events; older ones are for `events show`.
_AWAITED = 500


class Follower:
    """Remembers what it has shown. Outcomes are those of the events that it has shown."""

    def __init__(self, database: Database, source: str | None, *, as_json: bool) -> None:
        self._database = database
        self._source = source
        self._as_json = as_json
        self._shown: dict[str, int] = {}
        self._awaited: dict[str, EventRow] = {}
        self._told: dict[str, tuple[str, int]] = {}
        self._started_at = self._now()

    def run(self) -> None:
        """Look again and again until KeyboardInterrupt. A database that is away is waited for."""
        pause = threading.Event()
        while True:
            try:
                self.look()
            except StoreUnavailable as error:
                output.note(f"hookkeeper: {error}; trying again")
                pause.wait(5)
            pause.wait(_PAUSE_SECONDS)

    def look(self) -> None:
        """Show what is new since the last look, oldest first."""
        now = self._now()
        for row in sorted(self._new_events(now), key=lambda row: (row.received_at, row.id)):
            self._shown[row.id] = row.received_at
            self._awaited[row.id] = row
            self._tell_event(row)
        for event_id in list(self._awaited)[:-_AWAITED]:
            self._forget(event_id)
        for event_id in list(self._awaited):
            self._look_at_deliveries(event_id)
        self._shown = {
            event_id: at for event_id, at in self._shown.items() if at > now - 2 * WINDOW_MS
        }

    def _now(self) -> int:
        with self._database.read() as tx:
            return self._database.now(tx)

    def _new_events(self, now: int) -> Iterator[EventRow]:
        since = max(self._started_at, now - WINDOW_MS)
        before: str | None = None
        while True:
            page = queries.list_events(
                self._database, source=self._source, since=since, limit=_PAGE, before_id=before
            )
            yield from (row for row in page if row.id not in self._shown)
            if len(page) < _PAGE:
                return
            before = page[-1].id

    def _look_at_deliveries(self, event_id: str) -> None:
        rows = queries.list_deliveries(self._database, event_id=event_id)
        for row in rows:
            seen = (row.state, row.attempts + row.crashes)
            if row.last_outcome is not None and self._told.get(row.id) != seen:
                self._told[row.id] = seen
                self._tell_outcome(row)
        if rows and all(row.state in TERMINAL for row in rows):
            self._forget(event_id)

    def _forget(self, event_id: str) -> None:
        self._awaited.pop(event_id, None)

    def _tell_event(self, row: EventRow) -> None:
        if self._as_json:
            output.line({"event": row})
            return
        at = output.moment(row.received_at)
        print(output.printable(f"{at}  {row.id}  {row.source} {row.type}".rstrip()), flush=True)

    def _tell_outcome(self, row: DeliveryRow) -> None:
        if self._as_json:
            output.line({"delivery": row})
            return
        text = f"{row.state} after {row.attempts} attempts" if row.attempts > 1 else str(row.state)
        parts = [f"{'':<20}  {row.event_id}  -> {row.destination}: {text}"]
        if row.last_outcome != "succeeded":
            parts += [part for part in (row.last_code, row.last_message) if part]
        print(output.printable(" ".join(parts)), flush=True)
