"""What a receiver does to its process's memory ends with it."""

import gc

import pytest

from ingest.app import create_app
from ingest.config.settings import Settings
from tests.lifespan import living

pytestmark = pytest.mark.anyio


async def test_what_it_sets_aside_is_collected_after_its_end(settings: Settings) -> None:
    """Or it keeps what the process had made before alive until the end, past its destructors."""
    before = gc.get_freeze_count()
    async with living(create_app(settings)):
        assert gc.get_freeze_count() > before
    assert gc.get_freeze_count() <= before
