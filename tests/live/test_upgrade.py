"""A new release beside the old one, and back: the schema grows, and no sender notices."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.store import ledger
from tests.live.load import Load
from tests.pipeline import Pipeline, running_pipeline
from tests.services.redis import RedisServer
from tests.services.sink import Sink
from tests.store.making import rows
from tests.waiting import wait_until

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parent.parent.parent

#: What the next release brings: a column of the largest table, and a table.
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "0999"
down_revision = "{before}"
branch_labels = None
depends_on = None
oldest_code = "{before}"


def upgrade() -> None:
    op.add_column("events", sa.Column("note", sa.Text(), nullable=True))
    op.create_table("notes", sa.Column("id", sa.Text(), primary_key=True))
"""


@dataclass(frozen=True)
class Releases:
    """Two copies of the code, and the link that says which is installed."""

    old: Path
    new: Path
    installed: Path

    def install(self, release: Path) -> None:
        draft = self.installed.with_name("draft")
        draft.symlink_to(release)
        draft.replace(self.installed)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    made = Releases(tmp_path / "old", tmp_path / "new", tmp_path / "installed")
    for folder in (made.old, made.new):
        for package in ("ingest", "actors"):
            # With what was compiled: five processes that each compile it take a minute of CPU.
            shutil.copytree(PROJECT / package, folder / package)
    schema = made.new / "ingest" / "store" / "schema.py"
    found = re.search(r'^REVISION = "(\d+)"$', schema.read_text(), re.MULTILINE)
    assert found is not None
    schema.write_text(schema.read_text().replace(found[0], 'REVISION = "0999"'))
    versions = made.new / "ingest" / "store" / "migrations" / "versions"
    (versions / "0999_next.py").write_text(MIGRATION.format(before=found[1]))
    made.install(made.old)
    return made


@pytest.fixture
def pipeline(
    tmp_path: Path, releases: Releases, live_database_url: str, redis_server: RedisServer
) -> Iterator[Pipeline]:
    folder = tmp_path / "folder"
    folder.mkdir()
    redis_server.start()
    redis_server.flush()
    with (
        closing(Sink()) as sink,
        running_pipeline(
            folder, live_database_url, redis_server.url, sink, code=releases.installed
        ) as running,
    ):
        run = running.folder / "data" / "run.json"
        wait_until(run.exists, timeout=60, describe="a pipeline that commands find")
        yield running


def revision(pipeline: Pipeline) -> str:
    with pipeline.database() as database:
        ((found,),) = rows(database, "SELECT version_num FROM alembic_version")
    return str(found)


def balanced(pipeline: Pipeline) -> bool:
    with pipeline.database() as database:
        return not any(ledger.violations(database).values())


def test_an_upgrade_under_load_and_the_way_back_fail_no_request(
    pipeline: Pipeline, releases: Releases
) -> None:
    """Each process is replaced in turn, so old and new code share the database for a while."""
    before = revision(pipeline)
    with Load(pipeline) as load:
        load.goes_on()
        releases.install(releases.new)
        assert revision(pipeline) == before
        pipeline.cli("restart")
        assert revision(pipeline) == "0999"
        load.goes_on()
        releases.install(releases.old)
        pipeline.cli("restart")
        load.goes_on()
    assert revision(pipeline) == "0999"
    assert load.refused == []
    wait_until(
        lambda: load.acknowledged <= pipeline.noted_ids("handled"),
        timeout=60,
        describe="every event at its handler",
    )
    wait_until(lambda: balanced(pipeline), timeout=60, describe="a ledger without violations")
