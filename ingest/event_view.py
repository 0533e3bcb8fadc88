"""An event as templates see it: what is worth telling people, without what may be secret."""

from datetime import UTC, datetime
from typing import Any

from ingest.events import Event

#: Characters of a body that a template can quote; all of it is in ``json``.
TEXT_LENGTH = 10_000

#: The built-in source of what Hookkeeper itself has to tell.
OWN_SOURCE = "hookkeeper"
#: The types of its alerts, and of its daily report.
ALERT_TYPE = "alert"
REPORT_TYPE = "report.daily"


class EventView:
    """Read-only; its public names are ``FIELDS``."""

    def __init__(self, event: Event) -> None:
        self._event = event

    @property
    def id(self) -> str:
        """The event's id."""
        return self._event.id

    @property
    def source(self) -> str:
        """The source's name in hookkeeper.toml."""
        return self._event.source

    @property
    def type(self) -> str:
        """The event's type; "" where the provider names none."""
        return self._event.type

    @property
    def time(self) -> str:
        """When it was received, as ``2026-11-23 20:15:00 UTC``."""
        moment = datetime.fromtimestamp(self._event.received_at / 1_000, UTC)
        return moment.strftime("%Y-%m-%d %H:%M:%S UTC")

    @property
    def received_at(self) -> int:
        """When it was received, in milliseconds since the epoch."""
        return self._event.received_at

    @property
    def trace_id(self) -> str:
        """The trace that it belongs to."""
        return self._event.trace_id

    @property
    def content_type(self) -> str:
        """What the sender called its body."""
        return self._event.content_type

    @property
    def json(self) -> Any:
        """The body parsed as JSON; None where it is none."""
        try:
            return self._event.json()
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """The beginning of the body as text."""
        return self._event.body[: 4 * TEXT_LENGTH].decode("utf-8", "replace")[:TEXT_LENGTH]

    @property
    def title(self) -> str:
        """One line that says what it is: an alert's own summary, else source and type."""
        if self.source == OWN_SOURCE and isinstance(self.json, dict) and "summary" in self.json:
            return str(self.json["summary"])
        return f"{self.source}: {self.type}" if self.type else f"{self.source}: an event"

    @property
    def hint(self) -> str:
        """What to do next: an alert's own advice, else the command that shows the event."""
        if self.source == OWN_SOURCE and isinstance(self.json, dict) and "advice" in self.json:
            return str(self.json["advice"])
        return f"hookkeeper events show {self.id}"


#: What a template may ask an event for.
FIELDS = tuple(name for name, value in vars(EventView).items() if isinstance(value, property))
