"""Writing, checking and migrating: what a person does before anything runs."""

import sqlite3
import stat
from pathlib import Path

import pytest

from tests.cli.command import run

HANDLERS = """
from ingest import Event, on

@on("github", "push")
def deploy(event: Event) -> None: ...
"""
CONFIG = """
handlers = ["handlers"]
retention = "30d"

[sources.github]
provider = "github"
secrets = ["env:GITHUB_WEBHOOK_SECRET"]

[destinations.billing]
url = "https://billing.example.com/hooks"

[[routes]]
source = "github"
to = ["billing"]
"""
SECRET = {"GITHUB_WEBHOOK_SECRET": "It's a Secret to Everybody"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hookkeeper.toml").write_text(CONFIG)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    return tmp_path


def test_init_writes_a_file_that_is_valid_as_it_is(tmp_path: Path) -> None:
    done = run(tmp_path, "init")

    assert done.code == 0
    assert "[sources.github]" in (tmp_path / "hookkeeper.toml").read_text()
    assert run(tmp_path, "config", "check").code == 0


def test_init_never_overwrites(folder: Path) -> None:
    done = run(folder, "init")

    assert done.code == 1
    assert "left as it is" in done.err
    assert (folder / "hookkeeper.toml").read_text() == CONFIG


def test_init_can_show_the_sample_without_writing_it(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--print")

    assert "#[sources.github]" in done.out
    assert list(tmp_path.iterdir()) == []


def test_a_valid_configuration_is_summed_up(folder: Path) -> None:
    done = run(folder, "config", "check", "--json", settings=SECRET)

    assert done.code == 0
    assert done.json["sources"] == {"github": "github"}
    assert done.json["destinations"] == ["billing"]
    assert done.json["handlers"] == ["handlers.deploy"]
    assert done.json["retention_days"] == 30
    assert "is valid: 1 source," in run(folder, "config", "check", settings=SECRET).out


def test_a_missing_secret_is_named_by_its_variable(folder: Path) -> None:
    done = run(folder, "config", "check")

    assert done.code == 2
    assert "GITHUB_WEBHOOK_SECRET" in done.err
    assert "Traceback" not in done.err


def test_a_mistyped_key_is_named_with_the_nearest_one(folder: Path) -> None:
    (folder / "hookkeeper.toml").write_text(CONFIG.replace("provider", "provder"))

    done = run(folder, "config", "check", settings=SECRET)

    assert done.code == 2
    assert "provder" in done.err
    assert '"provider"' in done.err


def test_a_handler_module_that_cannot_be_imported_is_named(folder: Path) -> None:
    (folder / "handlers.py").write_text("import no_such_module")

    done = run(folder, "config", "check", settings=SECRET)

    assert done.code == 2
    assert "handlers" in done.err
    assert "no_such_module" in done.err


def test_what_is_allowed_but_unmeant_is_a_warning(folder: Path) -> None:
    (folder / "hookkeeper.toml").write_text(CONFIG.partition("[[routes]]")[0])

    done = run(folder, "config", "check", settings=SECRET)

    assert done.code == 0
    assert "warning: [destinations.billing]" in done.out


def test_migrating_makes_a_private_database_and_can_be_repeated(tmp_path: Path) -> None:
    first = run(tmp_path, "migrate", "--json")
    second = run(tmp_path, "migrate", "--json")

    assert first.json["applied"] != []
    assert second.json["applied"] == []
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert run(tmp_path, "migrate").out == "The schema is up to date.\n"


def test_a_backup_is_a_whole_database(tmp_path: Path) -> None:
    run(tmp_path, "migrate")

    done = run(tmp_path, "backup", "copy.db", "--json")

    assert done.code == 0
    copy = sqlite3.connect(tmp_path / "copy.db")
    try:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM events").fetchone() == (0,)
    finally:
        copy.close()


def test_a_backup_says_what_else_has_to_be_kept(tmp_path: Path) -> None:
    run(tmp_path, "migrate")
    said = run(tmp_path, "backup", "copy.db").out
    assert f"Keep a copy of {tmp_path / 'data' / 'hookkeeper.key'} with it" in said


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    run(tmp_path, "migrate")
    (tmp_path / "copy.db").write_text("precious")

    done = run(tmp_path, "backup", "copy.db")

    assert done.code == 2
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_backup_into_a_missing_directory_says_so(tmp_path: Path) -> None:
    run(tmp_path, "migrate")

    done = run(tmp_path, "backup", "missing/copy.db")

    assert done.code == 2
    assert "missing" in done.err


def test_a_database_that_does_not_answer_is_exit_code_3(tmp_path: Path) -> None:
    settings = {"HOOKKEEPER_DATABASE_URL": "postgresql://nobody:hidden@127.0.0.1:1/none"}

    done = run(tmp_path, "migrate", settings=settings)

    assert done.code == 3
    assert "hidden" not in done.err
    assert "Traceback" not in done.err
