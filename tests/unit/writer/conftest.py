"""Fixtures of the writer's stories."""

import pytest

from ingest.store import accept
from tests.unit.writer.desk import Gate


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(accept.accept)
    monkeypatch.setattr(accept, "accept", gate.commit)
    return gate
