"""A real Prometheus watches a real pipeline under load: nothing that it is asked may be unknown.

A metric or label that is misspelt is no error to Prometheus, it is an empty answer; so every query
of every dashboard and every rule must find at least one series.
"""

import http.client
import json
import re
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.live.load import Load
from tests.ops.linting import SELECTOR, expressions
from tests.ops.test_dashboards import PAGES
from tests.pipeline import HANDLERS, Pipeline, github_headers, running_pipeline
from tests.services.postgres import PostgresServer
from tests.services.prometheus import PrometheusServer, promtool
from tests.services.redis import RedisServer
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until

pytestmark = pytest.mark.live

#: What Grafana puts in, for a dashboard that shows everything of the last minute.
CHOSEN = {
    "$__rate_interval": "10s",
    "$__range": "1m",
    **dict.fromkeys(("$job", "$instance", "$source", "$queue", "$destination", "$kind"), ".+"),
}
QUERIES = [(name, *query) for name, page in PAGES.items() for query in expressions(page)]


#: Jobs that an event of the source `other` asks for: one succeeds, one fails, waits and fails.
JOBS = """
from ingest import JobContext, enqueue, group, job


@job(name="measured", max_retries=1)
def measured(context: JobContext, *, well: bool) -> int:
    if not well:
        raise ValueError("as the test wants it")
    return 1


@on("other", name="ask")
def ask(event: Event) -> None:
    enqueue(group(measured.s(well=True), measured.s(well=False)))
"""


class Troubles:
    """Everything that goes wrong now and then, over and over while the load runs."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        pipeline.sink.script("/failing", Answer(500))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self._make(self._forged)
            self._make(self._repeated)
            self._make(self._refused_by_all)
            self._make(self._too_much)
            self._make(self._ask_for_jobs)

    def _make(self, trouble: Callable[[], object]) -> None:
        try:
            trouble()
        except (OSError, http.client.HTTPException):
            return  # a sender that is cut off is one more trouble

    def _forged(self) -> None:
        self._pipeline.post("github", b"{}", github_headers(b"{}", secret="guessed"))

    def _repeated(self) -> None:
        self._pipeline.github(b"{}", delivery="again")

    def _refused_by_all(self) -> None:
        self._pipeline.github(json.dumps({"zen": "fail", "n": str(uuid.uuid4())}).encode())

    def _too_much(self) -> None:
        """More than may be in flight at once: shed."""
        self._pipeline.post("other", bytes(3_000_000))

    def _ask_for_jobs(self) -> None:
        self._pipeline.post("other", b"")


@pytest.fixture(scope="module")
def quick_rules(rule_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same rules, evaluated every second: two minutes are long for a test."""
    folder = tmp_path_factory.mktemp("rules")
    for path in rule_files:
        text = re.sub(r"interval: \w+", "interval: 1s", path.read_text())
        (folder / path.name).write_text(text)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
) -> Iterator[Pipeline]:
    postgres_server.start()
    url = postgres_server.create_database(f"watched_{uuid.uuid4().hex[:8]}")
    redis_server.start()
    redis_server.flush()
    folder = tmp_path_factory.mktemp("watched")
    with (
        closing(Sink()) as sink,
        running_pipeline(
            folder,
            url,
            redis_server.url,
            sink,
            handlers=HANDLERS + JOBS,
            max_in_flight="2MB",
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def watching(pipeline: Pipeline, quick_rules: list[Path]) -> Iterator[PrometheusServer]:
    """A Prometheus that has scraped the pipeline under load for a while, and goes on."""
    port = int(pipeline.environ["HOOKKEEPER_METRICS_PORT"])
    with closing(PrometheusServer([port], quick_rules)) as server:
        server.start()
        with Load(pipeline), Troubles(pipeline):
            yield server


def exposition(pipeline: Pipeline) -> bytes:
    port = pipeline.environ["HOOKKEEPER_METRICS_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        return bytes(response.read())


def found(server: PrometheusServer, expression: str) -> list[dict[str, Any]]:
    """The series of a query, as soon as there are any."""
    return wait_until(
        lambda: server.query(expression), timeout=60, describe=f"a series of {expression}"
    )


@pytest.mark.parametrize(("page", "title", "expression"), QUERIES)
def test_every_query_of_a_dashboard_finds_something(
    watching: PrometheusServer, page: str, title: str, expression: str
) -> None:
    del page, title  # they are the test's name
    assert " or " not in expression, "a query that invents an answer proves nothing"
    for name, value in CHOSEN.items():
        expression = expression.replace(name, value)
    found(watching, expression)


def test_every_choice_of_a_dashboard_has_values(watching: PrometheusServer) -> None:
    for page in PAGES.values():
        for variable in page["templating"]["list"]:
            query = variable["query"]
            if variable["type"] != "query":
                continue
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query["query"]).groups()  # type: ignore[union-attr]  # no match fails the test
            series = found(watching, selector.replace("$job", ".+"))
            assert any(label in one["metric"] for one in series), query


def test_every_recording_rule_records(
    watching: PrometheusServer, rules: list[dict[str, Any]]
) -> None:
    recorded = [rule["name"] for rule in rules if rule["type"] == "recording"]
    assert recorded
    for name in recorded:
        found(watching, name)


def test_every_alert_watches_something_that_exists(
    watching: PrometheusServer, alerts: list[dict[str, Any]]
) -> None:
    """An alert is empty as long as all is well, so each of its selectors is asked for."""
    for alert in alerts:
        selectors = [one.group() for one in SELECTOR.finditer(alert["query"])]
        assert selectors, alert["name"]
        for selector in selectors:
            found(watching, selector)


def test_no_rule_fails_to_be_evaluated(watching: PrometheusServer) -> None:
    wait_until(lambda: all(rule["health"] != "unknown" for rule in watching.rules()), timeout=30)
    assert {rule["health"] for rule in watching.rules()} == {"ok"}


def test_the_metrics_of_every_process_are_well_named(
    watching: PrometheusServer, pipeline: Pipeline
) -> None:
    """One of each process first: receiver, its writer, workers and scheduler share the port."""
    for name in ("received_total", "commit_events_count", "messages_total", "depth"):
        found(watching, f"hookkeeper_{name}")
    status, said = promtool("check", "metrics", stdin=exposition(pipeline))
    assert (status, said) == (0, "")


def test_a_healthy_pipeline_pages_nobody_but_for_the_requests_that_it_sheds(
    watching: PrometheusServer,
) -> None:
    found(watching, "job:hookkeeper_shed:ratio_rate5m")
    firing = 'ALERTS{severity="page", alertstate="firing"}'
    others = f'{firing} unless ALERTS{{alertname="HookkeeperAcceptBudgetFastBurn"}}'
    assert watching.query(others) == []


def test_counters_of_jobs_begin_before_the_first_job(watching: PrometheusServer) -> None:
    """Or the first failure of a kind would be no increase, and no alert."""
    found(watching, 'hookkeeper_jobs_total{kind="measured", status="revoked"} == 0')


def test_redis_away_and_back_is_told_to_prometheus(
    watching: PrometheusServer, redis_server: RedisServer
) -> None:
    up = 'hookkeeper_dependency_up{dependency="broker"}'
    assert [one["value"][1] for one in found(watching, up)] == ["1"]
    redis_server.kill()
    try:
        found(watching, f"{up} == 0")
        found(watching, 'hookkeeper_published_total{outcome="failed"} > 0')
        found(watching, 'ALERTS{alertname="HookkeeperRedisUnavailable"}')
    finally:
        redis_server.start()
    found(watching, f"{up} == 1")
    wait_until(
        lambda: not watching.query('ALERTS{alertname="HookkeeperRedisUnavailable"}'), timeout=30
    )


def test_a_database_that_is_away_is_told_to_prometheus(
    watching: PrometheusServer, postgres_server: PostgresServer
) -> None:
    up = 'hookkeeper_dependency_up{dependency="database"}'
    postgres_server.kill()
    try:
        found(watching, f"{up} == 0")
    finally:
        postgres_server.start()
    found(watching, f"{up} == 1")
