"""The project obeys its own rules. tests/rules/test_counterexamples.py shows that each can fail."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from ingest.config.settings import SETTINGS
from tests.rules import files, imports, sources
from tests.rules.modules import product_modules, within

ROOT = Path(__file__).parent.parent
MODULES = product_modules(ROOT)
#: Alembic and ``python -m`` run these, nothing imports them.
RUN_ONLY = ("ingest.store.migrations", "ingest.cli.__main__")
#: The roots of the web processes set the metrics directory before the library may be loaded.
BEFORE_METRICS = (
    *("ingest", "ingest.app", "ingest.console.app", "ingest.exposition", "ingest.cli.application"),
)
OUR_PYTHON = ("ingest/", "actors/", "tests/", "ops/")


@cache
def tree() -> dict[str, str]:
    """Return path and text of every file that git tracks, or would after `git add`."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(
        [*command, "--cached", "--others", "--exclude-standard"], capture_output=True, check=True
    )
    paths = sorted(set(filter(None, listed.stdout.decode().split("\0"))))
    assert paths, "git lists no file: are the tests run from a clone?"
    return {
        path: (ROOT / path).read_bytes().decode("utf-8", errors="replace")
        for path in paths
        if (ROOT / path).is_file()
    }


def python_files(*folders: str) -> dict[str, str]:
    return {
        path: text
        for path, text in tree().items()
        if path.endswith(".py") and path.startswith(folders)
    }


@pytest.mark.parametrize(
    "rule",
    [
        imports.leaves_are_leaves,
        imports.pure_modules_are_pure,
        imports.libraries_stay_with_their_owners,
        imports.ingest_never_imports_actors,
        imports.actors_do_not_know_each_other,
        imports.imports_form_no_cycle,
    ],
    ids=lambda rule: rule.__name__,
)
def test_imports_follow_the_layout(rule: imports.Rule) -> None:
    assert rule(MODULES) == []


def test_the_modules_that_the_rules_name_exist() -> None:
    """A rule about a module that was renamed would hold for ever."""
    named = {*imports.LEAVES, *imports.PURE, *imports.ACTOR_SIBLINGS[:4], "ingest.outbound"}
    assert [name for name in sorted(named) if name not in MODULES] == []


def test_no_file_is_too_long() -> None:
    assert files.long_files({path: text.count("\n") for path, text in tree().items()}) == []


def test_every_name_means_something() -> None:
    assert files.names_without_meaning(tree()) == []


def test_the_top_level_is_the_agreed_one() -> None:
    assert files.strangers_at_the_top(tree()) == []


def test_no_file_tells_of_a_machine_or_a_registry() -> None:
    assert files.traces_of_a_machine(tree()) == []


def test_every_dependency_has_its_reason_beside_it() -> None:
    assert files.dependencies_without_a_reason(tree()["pyproject.toml"]) == []


def test_every_setting_is_in_the_readme() -> None:
    variables = [setting.variable for setting in SETTINGS]
    assert variables
    assert files.undocumented(variables, tree()["README.md"]) == []


def test_no_test_sleeps() -> None:
    texts = python_files("tests/")
    del texts["tests/waiting.py"]  # the one place where time passes on purpose
    assert [found for item in texts.items() for found in sources.sleeps(*item)] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    texts = python_files("tests/")
    assert [found for item in texts.items() for found in sources.skips(*item)] == []


def test_every_exemption_from_a_checker_has_its_reason() -> None:
    texts = python_files(*OUR_PYTHON)
    rule = sources.exemptions_without_a_reason
    assert [found for item in texts.items() for found in rule(*item)] == []


def import_alone(tmp_path: Path, *names: str) -> tuple[list[str], set[str]]:
    """Import modules in a fresh interpreter; return the effects, and what is loaded then."""
    environment = {name: value for name, value in os.environ.items() if "PROMETHEUS" not in name}
    run = subprocess.run(
        [sys.executable, "-B", "-m", "tests.rules.importing", *names],
        env={**environment, "PYTHONPATH": str(ROOT), "HOOKKEEPER_DATA": str(tmp_path / "data")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    return result["effects"], set(result["loaded"])


def importable(package: str) -> list[str]:
    return [name for name in MODULES if within(name, (package,)) and not within(name, RUN_ONLY)]


def test_importing_the_web_side_does_nothing(tmp_path: Path) -> None:
    """No socket, no thread, no process, no file: what a process does, its root decides."""
    effects, _ = import_alone(tmp_path, *importable("ingest"))
    assert effects == []
    assert list(tmp_path.iterdir()) == []


def test_importing_the_actors_writes_only_their_metrics(tmp_path: Path) -> None:
    """`dramatiq actors` imports the root, which builds a broker without talking to it."""
    effects, _ = import_alone(tmp_path, *importable("actors"))
    metrics = f"opens {tmp_path / 'data' / 'metrics'}"
    assert [effect for effect in effects if metrics not in effect] == []


@pytest.mark.parametrize("name", BEFORE_METRICS)
def test_the_metrics_library_waits_for_its_directory(name: str, tmp_path: Path) -> None:
    """Loaded too early, it counts for one process only, in silence."""
    _, loaded = import_alone(tmp_path, name)
    assert "prometheus_client" not in loaded


@pytest.mark.parametrize("library", ["sqlalchemy", "starlette", "dramatiq", "httpx", "typer"])
def test_a_users_handler_module_is_cheap_to_import(library: str, tmp_path: Path) -> None:
    """`from ingest import Event, on` belongs into anybody's unit test."""
    _, loaded = import_alone(tmp_path, "ingest")
    assert library not in loaded
