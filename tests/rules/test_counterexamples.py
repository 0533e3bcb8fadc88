"""Each rule finds its tiny counterexample, and lets the nearest correct thing pass."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules import files, imports, sources
from tests.rules.modules import Module
from tests.rules.modules import imports as imports_of


def modules(**texts: str) -> dict[str, Module]:
    """Build modules; a double underscore in a keyword is the dot of a name."""
    named = {name.replace("__", "."): text for name, text in texts.items()}
    return {
        name: Module(name, text, package=any(other.startswith(f"{name}.") for other in named))
        for name, text in named.items()
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import ingest.store.claims", {"ingest.store.claims"}),
        ("from ingest import metrics", {"ingest.metrics"}),
        ("from ingest import Event", {"ingest"}),
        ("from . import metrics", {"ingest.metrics"}),
        ("from .metrics import RECEIVED", {"ingest.metrics"}),
        ("def f():\n    import redis", {"redis"}),
        ("if TYPE_CHECKING:\n    import redis\nelse:\n    import httpx", {"httpx"}),
    ],
)
def test_imports_are_found_wherever_they_hide(text: str, expected: set[str]) -> None:
    assert imports_of(Module("ingest.receive", text), {"ingest", "ingest.metrics"}) == expected


def test_a_relative_import_in_a_package_starts_at_the_package() -> None:
    assert imports_of(Module("ingest.store", "from .claims import claim", package=True), ()) == {
        "ingest.store.claims"
    }


def test_a_leaf_with_an_import_is_no_leaf() -> None:
    found = imports.leaves_are_leaves(
        modules(ingest__events="import ingest.errors", ingest__logs="import ingest.errors")
    )
    assert found == ["ingest.events is a leaf and imports ingest.errors"]


def test_a_pure_module_that_reaches_a_database_by_a_detour_is_found() -> None:
    found = imports.pure_modules_are_pure(
        modules(
            ingest__routing="import ingest.config.model",
            ingest__config__model="import sqlalchemy.exc",
        )
    )
    assert found == [
        "ingest.routing is pure and reaches sqlalchemy.exc by ingest.routing -> ingest.config.model"
    ]


@pytest.mark.parametrize(
    "call", ["time.time()", "datetime.datetime.now(UTC)", "random.random()", "open('x')"]
)
def test_a_pure_module_that_asks_the_world_is_found(call: str) -> None:
    found = imports.pure_modules_are_pure(modules(ingest__verify__hmac=f"x = 1\ny = {call}"))
    assert len(found) == 1
    assert "ingest.verify.hmac:2" in found[0]
    assert imports.pure_modules_are_pure(modules(ingest__receive=f"y = {call}")) == []


@pytest.mark.parametrize(
    ("library", "stranger", "owner"),
    [
        ("sqlalchemy", "ingest__receive", "ingest__store__claims"),
        ("psycopg", "ingest__cli__doctor", "ingest__store__database"),
        ("httpx", "actors__deliver", "ingest__outbound"),
        ("dramatiq", "ingest__app", "actors__middleware"),
        ("redis", "actors__scheduler", "ingest__queue"),
    ],
)
def test_a_library_outside_its_owner_is_found(library: str, stranger: str, owner: str) -> None:
    rule = imports.libraries_stay_with_their_owners
    assert len(rule(modules(**{stranger: f"import {library}"}))) == 1
    assert rule(modules(**{owner: f"import {library}"})) == []


def test_the_web_side_must_not_know_the_workers() -> None:
    rule = imports.ingest_never_imports_actors
    assert len(rule(modules(ingest__cli__worker="import actors.deliver"))) == 1
    assert rule(modules(actors__deliver="import ingest.queue")) == []


def test_actors_must_not_know_each_other() -> None:
    rule = imports.actors_do_not_know_each_other
    assert len(rule(modules(actors__dispatch="from actors.deliver import deliver"))) == 1
    assert rule(modules(actors__dispatch="from actors.batch import Batch")) == []


def test_a_ring_of_imports_is_named_whole() -> None:
    found = imports.imports_form_no_cycle(
        modules(
            ingest__a="import ingest.b",
            ingest__b="def late():\n    import ingest.c",
            ingest__c="import ingest.a",
        )
    )
    assert found == ["import cycle: ingest.a -> ingest.b -> ingest.c -> ingest.a"]
    assert imports.imports_form_no_cycle(modules(ingest__a="import ingest.b", ingest__b="")) == []


def test_a_file_over_its_limit_is_found() -> None:
    found = files.long_files(
        {"ingest/a.py": 401, "ingest/b.py": 400, "tests/test_a.py": 500, "tests/test_b.py": 501}
    )
    assert [line.split()[0] for line in found] == ["ingest/a.py", "tests/test_b.py"]


@pytest.mark.parametrize("path", ["ingest/utils.py", "tests/helpers/x.py", "ingest/http_common.py"])
def test_a_name_that_says_nothing_is_found(path: str) -> None:
    assert len(files.names_without_meaning([path, "ingest/database.py"])) == 1


def test_a_stranger_at_the_top_is_found() -> None:
    found = files.strangers_at_the_top(["docs/a.md", ".ci/run", "ingest/app.py", "setup.py"])
    assert [line.split()[0] for line in found] == ["docs", "setup.py"]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://" + "pypi" + ".org/simple",
        "see /" + "root/notes",
        'Path("/' + 'home/ann/data")',
        "cp /" + "work/x .",
    ],
)
def test_a_trace_of_a_machine_is_found(line: str) -> None:
    texts = {"ops/a": f"fine\n{line}", "tests/samples/a.json": line}
    assert len(files.traces_of_a_machine(texts)) == 1


@pytest.mark.parametrize("line", ["a/work/1", "https://example.com/home/me", "/working"])
def test_an_address_is_no_trace_of_a_machine(line: str) -> None:
    assert files.traces_of_a_machine({"ops/a": line}) == []


def test_a_dependency_without_a_reason_is_found() -> None:
    text = '[project]\ndependencies = [\n"one>=1",  # the reason\n"two>=2",\n]\n'
    assert files.dependencies_without_a_reason(text) == ["two>=2 has no reason beside it"]


def test_a_setting_that_only_begins_another_is_undocumented() -> None:
    assert files.undocumented(["HK_PORT", "HK_METRICS"], "`HK_PORT`, `HK_METRICS_PORT`") == [
        "HK_METRICS is not in README.md"
    ]


@pytest.mark.parametrize("call", ["time.sleep(1)", "await asyncio.sleep(0)", "sleep(2)"])
def test_a_sleep_is_found(call: str) -> None:
    text = f"async def test():\n    {call}\n    await event.wait()\n"
    assert len(sources.sleeps("a.py", text)) == 1


@pytest.mark.parametrize(
    "use", ["pytest.skip('x')", "pytest.mark.xfail", "pytest.importorskip('x')"]
)
def test_a_skip_is_found(use: str) -> None:
    assert len(sources.skips("a.py", f"x = {use}\ny = pytest.mark.live\n")) == 1


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("noqa", 1),
        ("noqa: S603", 1),
        ("noqa: S603 - our own command", 0),
        ("type: ignore", 1),
        ("type: ignore[arg-type]", 1),
        ("type: ignore[arg-type]  # the stub knows no bytes", 0),
        ("ruff: noqa: PLC0415  imports wait until the command runs", 0),
        ("a comment", 0),
    ],
)
def test_an_exemption_needs_code_and_reason(comment: str, found: int) -> None:
    assert len(sources.exemptions_without_a_reason("a.py", f"x = 1  # {comment}")) == found


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("import socket\nsocket.socket().close()", "socket.__new__"),
        ("open('made', 'w').close()", "opens made for writing"),
        ("import threading\nthreading.Thread(target=int).start()", "starts a thread"),
        ("import sqlite3\nsqlite3.connect(':memory:').close()", "sqlite3.connect"),
    ],
)
def test_what_an_import_does_is_seen(text: str, effect: str, tmp_path: Path) -> None:
    (tmp_path / "guilty.py").write_text(text)
    (tmp_path / "innocent.py").write_text("import json\nopen(__file__).close()\n")
    root = Path(__file__).parent.parent.parent
    run = subprocess.run(
        [sys.executable, "-B", "-m", "tests.rules.importing", "guilty", "innocent"],
        env={"PYTHONPATH": f"{root}:{tmp_path}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"guilty: {effect}" in run.stdout
    assert "innocent: " not in run.stdout
