"""The scheduler's look: alerts become events, which reach people as any other event does."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.alerting import Alerting, refused_signatures
from ingest.config.model import Alerts
from ingest.event_view import OWN_SOURCE
from ingest.events import DeliveryState, EventState
from ingest.queue import WakeBroker, build_broker
from ingest.store import Database, queries
from ingest.store.ledger import Depth
from tests.actors.rig import Rig, publish_stored
from tests.services.sink import Answer, Sink
from tests.store.making import execute, now_ms

MINUTE = 60_000
BEHIND = [Depth("deliver", "waiting", 1_234, 6 * MINUTE)]
CAUGHT_UP = [Depth("deliver", "waiting", 10, 1_000), Depth("deliver", "running", 5, None)]


@pytest.fixture
def broker(redis_url: str) -> Iterator[WakeBroker]:
    broker = build_broker(redis_url, [])
    yield broker
    broker.close()


class Looking:
    """Alerting with a count of refused signatures that the test says."""

    def __init__(self, database: Database, broker: WakeBroker, alerts: Alerts | None) -> None:
        self.refused: Counter[str] = Counter()
        asked = lambda: alerts  # noqa: E731 - a configuration that never changes
        self._database = database
        self._alerting = Alerting(database, broker, asked, lambda: Counter(self.refused))

    def look(self, now: int, depths: list[Depth] | None = None) -> None:
        self._alerting.step(depths or [], now)

    def told(self) -> list[tuple[str, str]]:
        """(type, summary) of each event, the first one first."""
        rows = reversed(queries.list_events(self._database, source=OWN_SOURCE))
        events = [queries.get_event(self._database, row.id) for row in rows]
        return [(event.type, event.json()["summary"]) for event in events]


def test_a_backlog_is_told_and_so_is_its_end(database: Database, broker: WakeBroker) -> None:
    looking = Looking(database, broker, Alerts())

    for depths in (CAUGHT_UP, BEHIND, BEHIND, CAUGHT_UP):
        looking.look(0, depths)

    assert looking.told() == [
        ("alert.backlog", "The queue deliver is 6m behind; 1,234 wait."),
        ("alert.backlog.resolved", "The queue deliver has caught up."),
    ]


def test_nobody_is_told_what_nobody_asked_for(database: Database, broker: WakeBroker) -> None:
    looking = Looking(database, broker, None)

    looking.look(0, BEHIND)

    assert looking.told() == []


def test_a_burst_of_bad_signatures_is_told_and_a_trickle_is_not(
    database: Database, broker: WakeBroker
) -> None:
    looking = Looking(database, broker, Alerts(bad_signatures=20, window_ms=10 * MINUTE))
    looking.refused = Counter({"github": 500, "stripe": 3})
    looking.look(0)  # what was before is nobody's news
    looking.refused["github"] += 19
    looking.look(MINUTE)
    assert looking.told() == []

    looking.refused["github"] += 1
    looking.refused["stripe"] += 1
    looking.look(2 * MINUTE)
    looking.look(30 * MINUTE)

    assert looking.told() == [
        ("alert.bad_signatures", "20 requests to github were refused for their signature."),
        (
            "alert.bad_signatures.resolved",
            "Requests to github are signed as they should be again.",
        ),
    ]


def test_a_scheduler_that_starts_in_the_middle_of_an_attack_does_not_call_it_over(
    database: Database, broker: WakeBroker
) -> None:
    """It has not seen any of it; when nobody tells of it again, it is over."""
    alerts = Alerts(bad_signatures=20, window_ms=10 * MINUTE)
    witness, newcomer = (Looking(database, broker, alerts) for _ in range(2))
    witness.look(0)
    witness.refused["github"] = newcomer.refused["github"] = 20
    witness.look(MINUTE)
    newcomer.look(MINUTE)
    newcomer.look(30 * MINUTE)
    assert [type_ for type_, _ in witness.told()] == ["alert.bad_signatures"]

    long_ago = now_ms() - alerts.cooldown_ms - alerts.window_ms - MINUTE
    execute(database, "UPDATE alerts SET last_event_at = :at, since = :at", at=long_ago)
    newcomer.look(31 * MINUTE)
    newcomer.look(32 * MINUTE)
    told = [type_ for type_, _ in witness.told()]
    assert told == ["alert.bad_signatures", "alert.bad_signatures.resolved"]


def test_refused_signatures_are_read_from_the_metrics_of_this_host(
    tmp_path: Path, sqlite_rig: Rig
) -> None:
    code = (
        "from pathlib import Path; from ingest import exposition\n"
        f"exposition.prepare(Path({str(tmp_path / 'metrics')!r}))\n"
        "from ingest import metrics\n"
        "for reason in ('bad_signature', 'missing_signature', 'too_large'):\n"
        "    metrics.REJECTED.labels('github', reason).inc(2)\n"
    )
    (sqlite_rig.folder / "counting.py").write_text(code)
    assert sqlite_rig.start("counting").wait(30) == 0, sqlite_rig.output()

    assert refused_signatures(tmp_path / "metrics") == Counter({"github": 4})


def test_an_alert_reaches_people_as_any_event_does(
    rig: Rig, broker: WakeBroker, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_URL", sink.url("/chat"))
    sink.script("/chat", Answer(body=b"ok"))
    rig.config(
        '[alerts]\nto = ["chat"]\n[destinations.chat]\nkind = "slack"\nurl = "env:CHAT_URL"\n'
        'allow = ["127.0.0.0/8"]\n[[routes]]\nsource = "*"\nto = ["chat"]\n'
    )
    looking = Looking(rig.database, broker, Alerts())
    looking.look(0, BEHIND)
    (row,) = queries.list_events(rig.database, source=OWN_SOURCE)
    assert row.state == EventState.STORED

    with rig.worker() as worker:
        publish_stored(worker, row.id)
        rig.wait_for(row.id, DeliveryState.SUCCEEDED)

    (request,) = sink.requests("/chat")
    text = json.loads(request.body)["text"]
    assert "*The queue deliver is 6m behind; 1,234 wait.*" in text
    assert "hookkeeper doctor" in text
