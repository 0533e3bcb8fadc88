"""Fixtures of the whole suite: real servers, started once, and a fresh database for each test."""

import logging
import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.services.sink import Sink
from tests.waiting import wait_until

if TYPE_CHECKING:
    from ingest.store import Database

TEMPLATE = "migrated"
_numbers = count(1)
#: ``--hypothesis-profile nightly``: for the tests that try tests/examples.py's number of examples.
settings.register_profile("nightly", max_examples=100_000, deadline=None)
#: No example has a deadline: the first one may make a key, on two cores that others want, too.
settings.register_profile("daily", deadline=None)
settings.load_profile("daily")


def pytest_configure() -> None:
    """Nothing of the machine's own set-up may reach a test."""
    # A shell ignores Ctrl-C for what it runs in the background, and whatever we start would
    # inherit that: a process that is ended with SIGINT would then run for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("HOOKKEEPER_")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest file, or one process works on it alone at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/torture/test_subset.py"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Reports travel between processes as UTF-8; what some tests log on purpose is none."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(autouse=True)
def logging_undone() -> Iterator[None]:
    """Logging is the process's own: a worker that one test ran must not write for the next."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    for name, module in list(sys.modules.items()):
        logger = getattr(module, "logger", None)
        if name.startswith(("ingest.", "actors.")) and logger is not None:
            vars(logger).pop("bind", None)  # where it caches the first configuration it met


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for the run; a test that stops it need not start it again."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The running Redis, emptied."""
    redis_server.start()
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for the run; a test that stops it need not start it again."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a database that has our schema and no rows."""
    from ingest.store import migrate  # noqa: PLC0415 - tests of the leaves run without the store

    migrate(postgres_server.create_database(TEMPLATE))
    wait_until(lambda: postgres_server.connections(TEMPLATE) == 0, describe="migrate() to hang up")
    return TEMPLATE


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with our schema."""
    postgres_server.start()
    name = f"test_{next(_numbers)}"
    yield postgres_server.create_database(name, template=postgres_template)
    postgres_server.start()
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has our schema and no rows."""
    from ingest.store import migrate  # noqa: PLC0415 - tests of the leaves run without the store

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    wal = path.with_name(path.name + "-wal")
    assert not wal.exists() or wal.stat().st_size == 0, "migrate() left its connection open"
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with our schema."""
    path = tmp_path / "hookkeeper.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with our schema, once of each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def database(database_url: str, request: pytest.FixtureRequest) -> Iterator["Database"]:
    """An open database of each kind; a connection that a test does not give back fails it."""
    from ingest.store import open_database  # noqa: PLC0415 - tests of the leaves run without it

    database = open_database(database_url)
    yield database
    database.close()
    if database_url.startswith("sqlite"):
        assert _open_files(Path(database_url.removeprefix("sqlite:///"))) == []
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = database_url.rpartition("/")[2]
    if server.running:
        wait_until(lambda: server.connections(name) == 0, describe=f"connections to {name} to end")


def _open_files(path: Path) -> list[str]:
    """Return which files of a SQLite database this process still has open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(str(path)):
            found.append(target)
    return found


@pytest.fixture
def sink() -> Iterator[Sink]:
    """An HTTP destination that records and answers as scripted."""
    sink = Sink()
    yield sink
    sink.close()
