"""What a dashboard must not lack: the rules of grafana/dashboard-linter that say something here.

Each rule takes a dashboard's JSON and returns complaints
(https://github.com/grafana/dashboard-linter/blob/main/docs/index.md; research/ops.md §1.4).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]
Rule = Callable[[Json], list[str]]

SELECTOR = re.compile(r"(?P<name>(?:job:)?hookkeeper_\w+(?::\w+)?|\bup\b)(?P<matchers>\{[^}]*\})?")
#: A counter's own value means nothing: it starts anew with the process.
COUNTER = re.compile(r"(?<!rate\()(?<!increase\()\bhookkeeper_\w+_(?:total|bucket|count|sum)\b")
RANGE = re.compile(r"\[([^\]]+)\]")
RANGES = ("$__rate_interval", "$__range")
DATASOURCE = "${datasource}"


def pictures(dashboard: Json) -> list[Json]:
    """Return the panels that ask Prometheus something."""
    return [panel for panel in dashboard["panels"] if panel["type"] not in ("row", "text")]


def expressions(dashboard: Json) -> Iterator[tuple[str, str]]:
    """Return every query with the title of its panel."""
    for panel in pictures(dashboard):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def variables(dashboard: Json) -> dict[str, Json]:
    """Return the template variables by name."""
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def the_data_source_is_chosen(dashboard: Json) -> list[str]:
    found = variables(dashboard).get("datasource", {})
    right = (found.get("type"), found.get("query")) == ("datasource", "prometheus")
    return [] if right else ["no variable `datasource` of Prometheus"]


def job_and_instance_are_chosen(dashboard: Json) -> list[str]:
    complaints = []
    for name in ("job", "instance"):
        found = variables(dashboard).get(name, {})
        if found.get("type") != "query" or not found.get("multi"):
            complaints.append(f"no variable `{name}` of several values")
        elif found["datasource"]["uid"] != DATASOURCE or found["allValue"] != ".+":
            complaints.append(f"`{name}` asks another source, or `All` is not `.+`")
    return complaints


def choices_follow_the_time(dashboard: Json) -> list[str]:
    queries = [one for one in variables(dashboard).values() if one["type"] == "query"]
    return [f"`{one['name']}` is not reloaded" for one in queries if one["refresh"] != 2]


def panels_ask_the_chosen_source(dashboard: Json) -> list[str]:
    return [
        f"{panel['title']}: another data source"
        for panel in pictures(dashboard)
        for asked in (panel, *panel["targets"])
        if asked["datasource"] != {"type": "prometheus", "uid": DATASOURCE}
    ]


def panels_say_what_they_show(dashboard: Json) -> list[str]:
    return [
        f"{panel.get('title')!r}: no title, or no description"
        for panel in pictures(dashboard)
        if not panel.get("title") or len(panel.get("description", "")) < len("What it means.")
    ]


def panels_have_a_unit(dashboard: Json) -> list[str]:
    return [
        f"{panel['title']}: no unit"
        for panel in pictures(dashboard)
        if not panel["fieldConfig"]["defaults"].get("unit")
    ]


def panels_link_to_the_runbook(dashboard: Json) -> list[str]:
    return [
        f"{panel['title']}: no link to the runbook"
        for panel in pictures(dashboard)
        if not any("/d/hookkeeper-runbook?viewPanel=" in link["url"] for link in panel["links"])
    ]


def panels_ask_something(dashboard: Json) -> list[str]:
    return [f"{panel['title']}: no query" for panel in pictures(dashboard) if not panel["targets"]]


def names_are_unique(dashboard: Json) -> list[str]:
    ids = [panel["id"] for panel in dashboard["panels"]]
    titles = [panel["title"] for panel in pictures(dashboard)]
    return [f"{one!r} twice" for all_ in (ids, titles) for one in {*all_} if all_.count(one) > 1]


def panels_do_not_overlap(dashboard: Json) -> list[str]:
    taken: dict[tuple[int, int], str] = {}
    complaints = []
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if x >= 24 or (x, y) in taken:
                    complaints.append(f"{panel['title']} has no room at {x}, {y}")
                taken[x, y] = panel["title"]
    return complaints


def rates_fit_the_scrape_interval(dashboard: Json) -> list[str]:
    return [
        f"{title}: the range {found}"
        for title, expression in expressions(dashboard)
        for found in RANGE.findall(expression)
        if found not in RANGES
    ]


def selectors_follow_the_choice(dashboard: Json) -> list[str]:
    """A recorded ``job:...`` has no instance by its name."""
    return [
        f"{title}: {found['name']} without {wanted}"
        for title, expression in expressions(dashboard)
        for found in SELECTOR.finditer(expression)
        for wanted in ('job=~"$job"', 'instance=~"$instance"')
        if wanted not in (found["matchers"] or "")
        and not (wanted.startswith("instance") and found["name"].startswith("job:"))
    ]


def counters_are_rated(dashboard: Json) -> list[str]:
    return [
        f"{title}: {found} is a counter"
        for title, expression in expressions(dashboard)
        for found in COUNTER.findall(expression)
    ]


def nobody_edits_it_in_place(dashboard: Json) -> list[str]:
    return [] if dashboard["editable"] is False else ["editable"]


RULES: tuple[Rule, ...] = (
    the_data_source_is_chosen,
    job_and_instance_are_chosen,
    choices_follow_the_time,
    panels_ask_the_chosen_source,
    panels_say_what_they_show,
    panels_have_a_unit,
    panels_link_to_the_runbook,
    panels_ask_something,
    names_are_unique,
    panels_do_not_overlap,
    rates_fit_the_scrape_interval,
    selectors_follow_the_choice,
    counters_are_rated,
    nobody_edits_it_in_place,
)
