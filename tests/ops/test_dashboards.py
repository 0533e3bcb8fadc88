"""The dashboards are what their modules say, and obey the rules; each rule can fail."""

import copy
import json
from collections.abc import Callable

import pytest
import yaml

from ops.grafana.__main__ import DASHBOARDS, files
from ops.grafana.runbook import RUNBOOK, sections
from tests.ops import linting
from tests.ops.conftest import PROMETHEUS
from tests.ops.linting import Json, Rule

RUNBOOK_FILE = "runbook.json"
BUILT = files()
PAGES = {name: json.loads(text) for name, text in BUILT.items() if name != RUNBOOK_FILE}
PROVISIONING = DASHBOARDS.parent / "provisioning"
README = DASHBOARDS.parent.parent.parent / "README.md"


def test_the_files_are_what_the_modules_say() -> None:
    written = {path.name: path.read_text() for path in DASHBOARDS.iterdir()}
    assert written == BUILT, "run: python -m ops.grafana"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("rule", linting.RULES, ids=lambda rule: rule.__name__)
def test_dashboards_obey_the_rules(rule: Rule, name: str) -> None:
    assert rule(PAGES[name]) == []


def test_every_dashboard_has_an_address_of_its_own() -> None:
    addresses = [json.loads(text)["uid"] for text in BUILT.values()]
    assert len({*addresses}) == len(addresses)


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    """Or $__rate_interval is shorter than two scrapes, and every rate is empty."""
    (found,) = yaml.safe_load((PROVISIONING / "datasources" / "hookkeeper.yaml").read_text())[
        "datasources"
    ]
    scraping = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["global"]
    assert found["type"] == "prometheus"
    assert found["jsonData"]["timeInterval"] == scraping["scrape_interval"]


def test_the_dashboards_are_offered_to_grafana_as_files() -> None:
    (found,) = yaml.safe_load((PROVISIONING / "dashboards" / "hookkeeper.yaml").read_text())[
        "providers"
    ]
    # Not HOOKKEEPER_...: whoever exports that cannot start Hookkeeper, which knows no such setting.
    assert (found["type"], found["options"]["path"]) == ("file", "$GRAFANA_DASHBOARDS")
    assert "GRAFANA_DASHBOARDS=$PWD/ops/grafana/dashboards" in README.read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_panels_link_opens_the_section_that_it_names(name: str) -> None:
    texts = {panel["id"]: panel for panel in json.loads(BUILT[RUNBOOK_FILE])["panels"]}
    written = sections(RUNBOOK.read_text())
    for panel in linting.pictures(PAGES[name]):
        (link,) = panel["links"]
        section = texts[int(link["url"].rpartition("=")[2])]
        assert link["title"] == f"Runbook: {section['title']}"
        assert section["options"]["content"] == written[section["title"]]


def _first(page: Json) -> Json:
    return linting.pictures(page)[0]


def _ask(page: Json, expression: str) -> None:
    _first(page)["targets"][0]["expr"] = expression


HERE = 'job=~"$job", instance=~"$instance"'


def _drop_variable(page: Json, name: str) -> None:
    found = page["templating"]["list"]
    found[:] = [one for one in found if one["name"] != name]


#: What somebody may do to a dashboard, and the rule that sees it.
MISTAKES: list[tuple[Rule, Callable[[Json], object]]] = [
    (linting.the_data_source_is_chosen, lambda page: _drop_variable(page, "datasource")),
    (linting.job_and_instance_are_chosen, lambda page: _drop_variable(page, "instance")),
    (
        linting.job_and_instance_are_chosen,
        lambda page: linting.variables(page)["job"].update(allValue=None),
    ),
    (
        linting.choices_follow_the_time,
        lambda page: linting.variables(page)["job"].update(refresh=1),
    ),
    (
        linting.panels_ask_the_chosen_source,
        lambda page: _first(page)["targets"][0].update(datasource=None),
    ),
    (linting.panels_say_what_they_show, lambda page: _first(page).update(description="")),
    (
        linting.panels_have_a_unit,
        lambda page: _first(page)["fieldConfig"]["defaults"].pop("unit"),
    ),
    (linting.panels_link_to_the_runbook, lambda page: _first(page).update(links=[])),
    (linting.panels_ask_something, lambda page: _first(page).update(targets=[])),
    (linting.names_are_unique, lambda page: page["panels"].append(page["panels"][0])),
    (linting.panels_do_not_overlap, lambda page: _first(page)["gridPos"].update(w=25)),
    (
        linting.rates_fit_the_scrape_interval,
        lambda page: _ask(page, f"rate(hookkeeper_received_total{{{HERE}}}[5m])"),
    ),
    (linting.selectors_follow_the_choice, lambda page: _ask(page, "hookkeeper_depth")),
    (
        linting.selectors_follow_the_choice,
        lambda page: _ask(page, 'hookkeeper_depth{job=~"$job"}'),
    ),
    (
        linting.counters_are_rated,
        lambda page: _ask(page, f"sum(hookkeeper_received_total{{{HERE}}})"),
    ),
    (linting.nobody_edits_it_in_place, lambda page: page.update(editable=True)),
]


@pytest.mark.parametrize(("rule", "spoil"), MISTAKES, ids=lambda part: part.__name__)
def test_each_rule_sees_its_mistake(rule: Rule, spoil: Callable[[Json], object]) -> None:
    page = copy.deepcopy(PAGES["overview.json"])
    spoil(page)
    assert rule(page)


def test_every_rule_has_a_mistake_that_it_sees() -> None:
    assert {rule for rule, _ in MISTAKES} == {*linting.RULES}
