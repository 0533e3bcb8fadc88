"""The first things a person types."""

import subprocess
import sys
from pathlib import Path

import pytest

from ingest import __version__
from tests.cli.command import environ, run

COMMANDS = (
    *("up", "restart", "web", "worker", "scheduler", "console", "init", "migrate", "backup"),
    *("send", "simulate", "tail", "verify", "doctor", "sink", "version", "config", "events"),
    *("dead", "destinations", "jobs", "export", "replay"),
)


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")

    assert done.code == 0
    listed = {line.split()[0] for line in done.out.splitlines() if line.startswith("  ")}
    assert set(COMMANDS) <= listed
    assert "Exit codes: 0" in done.out
    assert "..." not in done.out.partition("Commands:")[2], "a summary is cut off"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, command, "--help")

    assert done.code == 0
    assert f"Usage: hookkeeper {command}" in done.out


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """Start-up time is a line in ops/bench; what would break it is testable without a clock."""
    program = (
        "import sys\n"
        "import ingest.cli\n"
        "sys.argv = ['hookkeeper', '--help']\n"
        "try:\n"
        "    ingest.cli.main()\n"
        "except SystemExit:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environ(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    loaded = set(done.stderr.decode().split())
    heavy = {
        *("sqlalchemy", "alembic", "pydantic", "redis", "dramatiq", "httpx", "structlog"),
        *("rich", "uvicorn", "asyncio", "prometheus_client", "ingest.metrics"),
    }
    assert not loaded & heavy


@pytest.mark.parametrize("arguments", [("--version",), ("version",)])
def test_the_version_is_printed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(tmp_path, *arguments).out == f"hookkeeper {__version__}\n"


def test_a_mistyped_option_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, "events", "list", "--sourse", "github")

    assert done.code == 2
    assert "--source" in done.err


def test_an_unknown_setting_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    done = run(tmp_path, "events", "list", settings={"HOOKKEEPER_DATABSE_URL": "sqlite:///x"})

    assert done.code == 2
    assert "HOOKKEEPER_DATABSE_URL" in done.err
    assert "HOOKKEEPER_DATABASE_URL" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", [("events", "list"), ("dead", "list"), ("tail",)])
def test_a_folder_without_a_pipeline_says_what_to_do(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = run(tmp_path, *command)

    assert done.code == 3
    assert "hookkeeper up" in done.err
    assert "Traceback" not in done.err
