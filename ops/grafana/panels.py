"""Dashboards as Grafana reads them, from as few words as they need.

Only the part of Grafana's JSON that says something: whatever it fills in by itself is left out
(https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ops.grafana.queries import JOB

SCHEMA_VERSION = 39
COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
RUNBOOK_UID = "hookkeeper-runbook"

GREEN, ORANGE, RED = "green", "orange", "red"
Json = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """One expression and what its lines are called (``{{label}}`` stands for a label)."""

    expression: str
    legend: str = "__auto"


@dataclass(frozen=True)
class Panel:
    """One picture. ``unit`` is a word of Grafana's, ``alert`` names the runbook's section.

    ``steps``: from which value on a colour holds; ``width`` in columns of 24.
    """

    title: str
    description: str
    unit: str
    alert: str
    queries: Sequence[Query]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    steps: Sequence[tuple[float | None, str]] = ((None, GREEN),)
    decimals: int | None = None


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Text:
    """A page of Markdown."""

    title: str
    content: str


@dataclass(frozen=True)
class Choice:
    """A label whose values the reader chooses from."""

    name: str
    title: str
    query: str


@dataclass(frozen=True)
class Dashboard:
    """What one file in ``dashboards/`` holds."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row] = ()
    texts: Sequence[Text] = ()
    choices: Sequence[Choice] = ()


def rendered(dashboard: Dashboard, sections: Sequence[str]) -> Json:
    """Return the dashboard's JSON; ``sections`` are the runbook's, in their order."""
    panels = list(_numbered(_laid_out(dashboard, sections)))
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["hookkeeper"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,  # one cross-hair over all panels
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [_other_dashboards()],
        "templating": {"list": _variables(dashboard.choices) if dashboard.rows else []},
        "panels": panels,
    }


def _laid_out(dashboard: Dashboard, sections: Sequence[str]) -> Iterable[Json]:
    top = 0
    for row in dashboard.rows:
        yield {"type": "row", "title": row.title, "gridPos": _place(0, top, COLUMNS, 1)}
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            place = _place(left, top, panel.width, panel.height)
            yield _panel(panel, sections) | {"gridPos": place}
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    for text in dashboard.texts:
        yield _text(text) | {"gridPos": _place(0, top, COLUMNS, 8)}
        top += 8


def _numbered(panels: Iterable[Json]) -> Iterable[Json]:
    return ({"id": number} | panel for number, panel in enumerate(panels, start=1))


def _place(left: int, top: int, width: int, height: int) -> Json:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(panel: Panel, sections: Sequence[str]) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "links": [_runbook_link(panel.alert, sections)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
        "targets": [_target(*numbered) for numbered in enumerate(panel.queries)],
    }


def _runbook_link(alert: str, sections: Sequence[str]) -> Json:
    """The section is a panel of the runbook's dashboard, so the link needs no other server."""
    panel_id = sections.index(alert) + 1
    return {"title": f"Runbook: {alert}", "url": f"/d/{RUNBOOK_UID}?viewPanel={panel_id}"}


def _defaults(panel: Panel) -> Json:
    steps = [{"value": value, "color": color} for value, color in panel.steps]
    defaults: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.kind == "timeseries":
        drawn = "line" if len(steps) > 1 else "off"
        style = {"fillOpacity": 10, "axisSoftMin": 0, "thresholdsStyle": {"mode": drawn}}
        defaults["custom"] = style
    return defaults


def _options(kind: str) -> Json:
    if kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    shape = {"colorMode": "background"} if kind == "stat" else {"orientation": "horizontal"}
    return {"reduceOptions": {"calcs": ["lastNotNull"]}} | shape


def _target(number: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + number),
        "datasource": DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
    }


def _text(text: Text) -> Json:
    return {
        "type": "text",
        "title": text.title,
        "description": "From ops/runbook.md.",
        "options": {"mode": "markdown", "content": text.content},
    }


def _variables(choices: Sequence[Choice]) -> list[Json]:
    source = {"type": "datasource", "name": "datasource", "label": "Data source"}
    places = (
        Choice("job", "Job", "label_values(hookkeeper_build_info, job)"),
        Choice("instance", "Instance", f"label_values(hookkeeper_build_info{{{JOB}}}, instance)"),
    )
    return [source | {"query": "prometheus"}, *map(_variable, (*places, *choices))]


def _variable(choice: Choice) -> Json:
    return {
        "type": "query",
        "name": choice.name,
        "label": choice.title,
        "datasource": DATASOURCE,
        "query": {"query": choice.query, "refId": choice.name},
        "refresh": 2,  # when the time range changes too: what came since must be found
        "includeAll": True,
        "multi": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def _other_dashboards() -> Json:
    return {
        "type": "dashboards",
        "title": "Hookkeeper",
        "tags": ["hookkeeper"],
        "asDropdown": True,
        "keepTime": True,
        "includeVars": True,
    }
