"""The rules are sound, each alert is tested both ways, and each has its page in the runbook."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.config.settings import SETTINGS
from ops.grafana.overview import ALLOWED_LATE, ALLOWED_SHED
from ops.grafana.runbook import RUNBOOK, sections
from tests.ops.conftest import PROMETHEUS
from tests.services.prometheus import promtool

Alerts = list[dict[str, Any]]
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
#: What every section of the runbook answers, beside what the alert means.
ANSWERS = ("**Safe:**", "**Do:**", "**Over when**")


def test_prometheus_takes_the_configuration_and_the_rules(rule_files: list[Path]) -> None:
    status, said = promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    assert status == 0, said
    status, said = promtool("check", "rules", "--lint-fatal", *map(str, rule_files))
    assert status == 0, said


def test_the_port_that_is_scraped_is_the_one_that_is_served_unless_it_is_moved() -> None:
    (job,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    defaults = {setting.name: setting.default for setting in SETTINGS}
    served = f"{defaults['METRICS_HOST']}:{defaults['METRICS_PORT']}"
    assert job["job_name"] == "hookkeeper"
    assert job["static_configs"] == [{"targets": [served]}]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_do_what_their_stories_say(path: Path) -> None:
    status, said = promtool("test", "rules", str(path))
    assert status == 0, said


def stories() -> dict[str, list[list[bool]]]:
    """For each alert and each story, whether it fires at each moment that is looked at."""
    told: defaultdict[str, list[list[bool]]] = defaultdict(list)
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            moments: defaultdict[str, list[bool]] = defaultdict(list)
            for case in test.get("alert_rule_test", ()):
                moments[case["alertname"]].append(bool(case["exp_alerts"]))
            for name, fired in moments.items():
                told[name].append(fired)
    return told


def test_every_alert_is_quiet_below_its_line_and_fires_and_resolves(alerts: Alerts) -> None:
    told = stories()
    assert {*told} == {alert["name"] for alert in alerts}
    for name, each in told.items():
        whole = [fired for fired in each if not fired[0] and not fired[-1] and any(fired)]
        assert whole, f"{name}: no story is quiet, then fires, then is quiet again"


def test_every_recorded_share_is_tested_by_value_below_and_above_its_objective_and_after(
    rule_files: list[Path],
) -> None:
    recorded = {
        rule["record"]
        for path in rule_files
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    values: defaultdict[str, list[float]] = defaultdict(list)
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("promql_expr_test", ()):
                (record,) = [name for name in recorded if f"({name} " in case["expr"]]
                values[record] += [sample["value"] for sample in case["exp_samples"]]
    assert {*values} == recorded
    for record, (below, above, after) in values.items():
        assert after < below < above, record


def test_every_alert_has_a_section_in_the_runbook_and_the_other_way_round(alerts: Alerts) -> None:
    written = sections(RUNBOOK.read_text())
    assert sorted(written) == sorted(alert["name"] for alert in alerts)


def test_every_section_says_what_is_safe_what_to_do_and_when_it_is_over(alerts: Alerts) -> None:
    severities = {alert["name"]: alert["labels"]["severity"] for alert in alerts}
    for name, text in sections(RUNBOOK.read_text()).items():
        assert text.startswith(f"**{severities[name]}.**"), name
        assert [answer for answer in ANSWERS if answer not in text] == [], name


def test_every_alert_names_its_severity_and_its_section(alerts: Alerts) -> None:
    for alert in alerts:
        assert alert["labels"]["severity"] in ("page", "ticket"), alert["name"]
        anchor = alert["name"].lower()
        assert alert["annotations"]["runbook"] == f"ops/runbook.md#{anchor}"
        assert alert["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize(
    ("record", "allowed"), [("hookkeeper_shed", ALLOWED_SHED), ("hookkeeper_late", ALLOWED_LATE)]
)
def test_dashboards_and_alerts_have_the_same_objectives(
    alerts: Alerts, record: str, allowed: float
) -> None:
    burning = [alert for alert in alerts if f"job:{record}" in alert["query"]]
    assert len(burning) == 2
    assert all(f"{allowed:g}" in alert["query"] for alert in burning)
