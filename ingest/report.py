"""The daily report: which day it is of, what it says, and its templates. Pure.

It is an event of the built-in source, so that it is routed, retried and shown like an alert. Its
body has everything; the templates only lay it out.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from ingest.event_view import OWN_SOURCE, REPORT_TYPE
from ingest.events import Event
from ingest.message import Message
from ingest.store.report import Figures
from ingest.templates import html, plain

#: Rows of each table; the rest is counted.
SHOWN = 100
_ERROR_LENGTH = 200


def day_before(now: int, zone: str) -> tuple[date, int, int]:
    """The last day that is over at ``now`` (ms) in a time zone, and when it began and ended."""
    where = ZoneInfo(zone)
    day = datetime.fromtimestamp(now / 1_000, where).date() - timedelta(days=1)
    return day, _midnight(day, where), _midnight(day + timedelta(days=1), where)


def content(day: date, zone: str, figures: Figures) -> dict[str, Any]:
    """The body of the event. ``summary`` is what the default templates of messages say."""
    received = sum(one.received for one in figures.sources)
    dead = sum(one.dead for one in figures.destinations)
    failed = sum(one.failed for one in figures.jobs)
    return {
        "day": day.isoformat(),
        "zone": zone,
        "summary": (
            f"Report of {day.isoformat()}: {received:,} events received, {dead:,} deliveries "
            f"given up, {failed:,} jobs failed."
        ),
        "advice": "hookkeeper dead list" if dead else "hookkeeper jobs list --status failure",
        "received": received,
        "dead": dead,
        "failed_jobs": failed,
        "sources": _first(
            {
                "source": one.source,
                "received": one.received,
                "duplicates": one.duplicates,
                "unmatched": one.unmatched,
                "dead": one.dead,
                "p50": _seconds(one.p50_ms),
                "p95": _seconds(one.p95_ms),
            }
            for one in sorted(figures.sources, key=lambda one: -one.dead)
        ),
        "destinations": _first(
            {
                "destination": one.destination,
                "succeeded": one.succeeded,
                "dead": one.dead,
                "unended": one.unended,
            }
            for one in sorted(figures.destinations, key=lambda one: -one.dead)
        ),
        "jobs": _first(
            {
                "kind": one.kind,
                "succeeded": one.succeeded,
                "failed": one.failed,
                "error": (one.error or "")[:_ERROR_LENGTH],
            }
            for one in sorted(figures.jobs, key=lambda one: -one.failed)
        ),
        "more": sum(
            max(0, len(rows) - SHOWN)
            for rows in (figures.sources, figures.destinations, figures.jobs)
        ),
    }


def is_report(events: Sequence[Event], count: int) -> bool:
    """Whether a message is to tell of one report and of nothing else."""
    return count == 1 and (events[0].source, events[0].type) == (OWN_SOURCE, REPORT_TYPE)


@cache
def message() -> Message:
    """The words of a report: subject, text and HTML."""
    return Message(plain("{{ event.title }}"), plain(_TEXT), html(_HTML))


def _midnight(day: date, zone: ZoneInfo) -> int:
    """When a day begins (ms); after the gap, where a clock change skips midnight."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return int(start.timestamp() * 1_000)


def _first(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(islice(rows, SHOWN))


def _seconds(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1_000:.2f} s"


_TEXT = """\
{{ event.title }}
The day is that of {{ event.json.zone }}.

Sources (received, repeated, unmatched, given up, from receipt to done: p50, p95)
{% for one in event.json.sources %}
  {{ one.source }}: {{ one.received }}, {{ one.duplicates }}, {{ one.unmatched }}, \
{{ one.dead }}, {{ one.p50 or "-" }}, {{ one.p95 or "-" }}
{% endfor %}

Destinations (delivered, given up, not ended)
{% for one in event.json.destinations %}
  {{ one.destination }}: {{ one.succeeded }}, {{ one.dead }}, {{ one.unended }}
{% endfor %}

Jobs (succeeded, failed, last error)
{% for one in event.json.jobs %}
  {{ one.kind }}: {{ one.succeeded }}, {{ one.failed }}\
{% if one.error %}, {{ one.error }}{% endif %}

{% endfor %}
{% if event.json.more %}

and {{ event.json.more }} more rows.
{% endif %}
"""
_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ event.title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; width: 100%; margin-bottom: 2em }
th, td { padding: .3em .8em .3em 0; border-bottom: 1px solid #ccc; text-align: right }
th:first-child, td:first-child, td.words, th.words { text-align: left }
.bad { color: #b00020; font-weight: 600 }
</style>
</head>
<body>
<h1>{{ event.json.day }}</h1>
<p>{{ event.title }} The day is that of {{ event.json.zone }}.</p>
<h2>Sources</h2>
<table>
<tr><th>source</th><th>received</th><th>repeated</th><th>unmatched</th>\
<th>given up</th><th>receipt to done, p50</th><th>p95</th></tr>
{% for one in event.json.sources %}
<tr><td>{{ one.source }}</td><td>{{ one.received }}</td><td>{{ one.duplicates }}</td>\
<td>{{ one.unmatched }}</td><td{% if one.dead %} class="bad"{% endif %}>{{ one.dead }}</td>\
<td>{{ one.p50 }}</td><td>{{ one.p95 }}</td></tr>
{% endfor %}
</table>
<h2>Destinations</h2>
<table>
<tr><th>destination</th><th>delivered</th><th>given up</th><th>not ended</th></tr>
{% for one in event.json.destinations %}
<tr><td>{{ one.destination }}</td><td>{{ one.succeeded }}</td>\
<td{% if one.dead %} class="bad"{% endif %}>{{ one.dead }}</td><td>{{ one.unended }}</td></tr>
{% endfor %}
</table>
<h2>Jobs</h2>
<table>
<tr><th>job</th><th>succeeded</th><th>failed</th><th class="words">last error</th></tr>
{% for one in event.json.jobs %}
<tr><td>{{ one.kind }}</td><td>{{ one.succeeded }}</td>\
<td{% if one.failed %} class="bad"{% endif %}>{{ one.failed }}</td>\
<td class="words">{{ one.error }}</td></tr>
{% endfor %}
</table>
{% if event.json.more %}<p>and {{ event.json.more }} more rows.</p>
{% endif %}
</body>
</html>
"""
