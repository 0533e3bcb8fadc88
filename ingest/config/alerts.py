"""[alerts] -> Alerts, and the route that its ``to`` stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.config.mistakes import Mistakes, did_you_mean
from ingest.config.model import Alerts, Route
from ingest.config.schema import AlertsTable, read_table
from ingest.event_view import ALERT_TYPE, OWN_SOURCE
from ingest.patterns import pattern

_SHORTEST_MS, _LONGEST_MS = 1_000, 7 * 86_400_000
_FIELDS = {
    "cooldown": "cooldown_ms",
    "window": "window_ms",
    "failing": "failing_ms",
    "backlog": "backlog_ms",
    "dead_letters": "dead_letters",
    "bad_signatures": "bad_signatures",
}


def read_alerts(
    raw: dict[str, Any] | None,
    routes: Sequence[Route],
    destinations: Mapping[str, object],
    mistakes: Mistakes,
) -> Alerts | None:
    """When to alert whom; None where nobody asked for alerts, by this table or by a route."""
    if raw is None:
        asked = any(route.pattern.source == OWN_SOURCE for route in routes)
        return Alerts() if asked else None
    read = read_table(AlertsTable, raw, "alerts", mistakes)
    if read is None:
        return None
    for name in read.to:
        if name not in destinations:
            hint = did_you_mean(name, destinations)
            mistakes.add("alerts", "to", f"there is no destination {name!r}; {hint}")
    values = {key: getattr(read, key) for key in _FIELDS if getattr(read, key) is not None}
    for key in ("cooldown", "window", "failing", "backlog"):
        if key in values and not _SHORTEST_MS <= values[key] <= _LONGEST_MS:
            mistakes.add("alerts", key, 'expected from "1s" to "7d", such as "10m"')
    return Alerts(to=tuple(read.to), **{_FIELDS[key]: value for key, value in values.items()})


def alerts_route(alerts: Alerts | None) -> tuple[Route, ...]:
    """The route of every alert to the destinations that [alerts] names."""
    if alerts is None or not alerts.to:
        return ()
    return (Route(pattern(OWN_SOURCE, (ALERT_TYPE,)), alerts.to),)
