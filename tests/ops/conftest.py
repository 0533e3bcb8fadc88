"""Where the rules are, and a Prometheus that has read them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.services.prometheus import PrometheusServer

PROMETHEUS = Path(__file__).parents[2] / "ops" / "prometheus"


@pytest.fixture(scope="session")
def rule_files() -> list[Path]:
    return sorted((PROMETHEUS / "rules").glob("*.yml"))


@pytest.fixture(scope="session")
def rules(rule_files: list[Path]) -> Iterator[list[dict[str, Any]]]:
    """Every rule, as Prometheus itself reads them."""
    with closing(PrometheusServer([], rule_files)) as server:
        server.start()
        yield server.rules()


@pytest.fixture(scope="session")
def alerts(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for rule in rules if rule["type"] == "alerting"]
