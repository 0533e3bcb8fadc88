"""The runbook as a dashboard, so that the links of the panels work wherever Grafana runs."""

import re
from pathlib import Path

from ops.grafana.panels import RUNBOOK_UID, Dashboard, Text

RUNBOOK = Path(__file__).parents[1] / "runbook.md"


def sections(markdown: str) -> dict[str, str]:
    """Return what stands under each heading of the second level."""
    parts = re.split(r"^## (.+)$", markdown, flags=re.MULTILINE)[1:]
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def dashboard(found: dict[str, str]) -> Dashboard:
    """Make one panel of each section, in their order."""
    return Dashboard(
        uid=RUNBOOK_UID,
        title="Hookkeeper: runbook",
        description="What each alert means, what is safe, what to do, and how to see it is over.",
        texts=tuple(Text(name, text) for name, text in found.items()),
    )
