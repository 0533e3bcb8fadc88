"""``python -m ops.grafana``: write the dashboards' JSON from the modules beside this one."""

import json
from pathlib import Path

from ops.grafana import destinations, jobs, overview, receiver, runbook, workers
from ops.grafana.panels import rendered

DASHBOARDS = Path(__file__).with_name("dashboards")


def files() -> dict[str, str]:
    """Return the name and the text of every file in ``dashboards/``."""
    found = runbook.sections(runbook.RUNBOOK.read_text(encoding="utf-8"))
    every = [
        overview.DASHBOARD,
        receiver.DASHBOARD,
        workers.DASHBOARD,
        destinations.DASHBOARD,
        jobs.DASHBOARD,
        runbook.dashboard(found),
    ]
    return {
        f"{one.uid.removeprefix('hookkeeper-')}.json": json.dumps(
            rendered(one, list(found)), indent=2, ensure_ascii=False
        )
        + "\n"
        for one in every
    }


if __name__ == "__main__":
    for name, text in files().items():
        (DASHBOARDS / name).write_text(text, encoding="utf-8")
