"""The daily report: of which day, in which words, and never as somebody else's HTML."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest

from ingest import report
from ingest.event_view import OWN_SOURCE, REPORT_TYPE
from ingest.events import Event
from ingest.store.report import DestinationFigures, Figures, JobFigures, SourceFigures

DAY = date(2026, 11, 22)
FIGURES = Figures(
    sources=(SourceFigures("github", 1_204, 3, 2, 4, 40, 1_250), SourceFigures("acme", 0, 0, 0)),
    destinations=(DestinationFigures("billing", 10, 0, 0), DestinationFigures("crm", 1, 4, 2)),
    jobs=(JobFigures("export", 24, 1, "ConnectionError: refused"),),
)


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)


def event(figures: Figures, type_: str = REPORT_TYPE, source: str = OWN_SOURCE) -> Event:
    body = orjson.dumps(report.content(DAY, "UTC", figures))
    return Event("1", source, type_, None, 0, (), "", "application/json", body, "")


def written(figures: Figures) -> tuple[str, str]:
    """The text and the HTML."""
    message = report.message().write("oncall", [event(figures)], 1)
    assert message.html is not None
    return message.text, message.html


@pytest.mark.parametrize(
    ("now", "zone", "day", "hours"),
    [
        ("2026-11-23T02:00", "UTC", "2026-11-22", 24),
        ("2026-11-23T00:00", "Asia/Kolkata", "2026-11-22", 24),
        ("2026-03-30T02:00", "Europe/Berlin", "2026-03-29", 23),
        ("2026-10-26T02:00", "Europe/Berlin", "2026-10-25", 25),
        ("2026-01-01T02:00", "America/New_York", "2025-12-31", 24),
    ],
)
def test_it_is_of_the_day_before_as_its_zone_has_it(
    now: str, zone: str, day: str, hours: int
) -> None:
    found, since, until = report.day_before(at(now, zone), zone)
    assert found.isoformat() == day
    assert since == at(f"{day}T00:00", zone)
    assert until - since == hours * 3_600_000


def test_days_meet_and_leave_nothing_out() -> None:
    """In a zone whose clock skips midnight (Beirut, 2026-03-29), too."""
    zone = ZoneInfo("Asia/Beirut")
    noons = [datetime(2026, 3, 26, 12, tzinfo=UTC) + timedelta(days=n) for n in range(6)]
    ranges = [report.day_before(int(noon.timestamp() * 1_000), zone.key)[1:] for noon in noons]
    assert [end for _, end in ranges][:-1] == [begin for begin, _ in ranges][1:]


def test_it_says_first_what_matters() -> None:
    text, html = written(FIGURES)
    summary = "Report of 2026-11-22: 1,204 events received, 4 deliveries given up, 1 jobs failed."
    assert text.startswith(summary)
    assert summary in html
    assert "github: 1204, 3, 2, 4, 0.04 s, 1.25 s" in text
    assert "acme: 0, 0, 0, 0, -, -" in text
    assert "export: 24, 1, ConnectionError: refused" in text
    assert text.index("crm: 1, 4, 2") < text.index("billing: 10, 0, 0"), "the worst come first"
    assert html.count('<td class="bad">4</td>') == 2
    assert html.count("<table>") == 3


def test_what_others_wrote_is_no_html_of_ours() -> None:
    _, html = written(Figures((), (), (JobFigures("x", 0, 1, "<script>alert(1)</script>"),)))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_it_stays_readable_with_very_many_rows() -> None:
    many = tuple(SourceFigures(f"s{number:04}", 1, 0, 0) for number in range(1_000))
    text, html = written(Figures(many, (), ()))
    assert text.count("\n  s") == report.SHOWN
    assert "and 900 more rows." in text
    assert "and 900 more rows." in html


def test_only_a_single_report_has_its_words() -> None:
    """In a digest it is a line among others."""
    one = event(FIGURES)
    assert report.is_report([one], 1)
    assert not report.is_report([one, one], 2)
    assert not report.is_report([event(FIGURES, "alert.backlog")], 1)
    assert not report.is_report([event(FIGURES, source="acme")], 1)
