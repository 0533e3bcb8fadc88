"""A running process takes a good file over, and stays with what it had when the file is bad."""

import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from ingest.config.load import load_config
from ingest.config.model import Config
from ingest.config.snapshot import Loaded, Snapshot
from ingest.errors import ConfigError
from ingest.verify.catalogue import load_catalogue
from tests.unit.config.conftest import Folder

OPEN = '[sources.{name}]\nprovider = "none"\n'
GITHUB = '[sources.github]\nprovider = "github"\nsecrets = ["file:github"]\n'


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test's handler module and its folder are gone afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def snapshot(folder: Folder, *, load_handlers: bool = False) -> Snapshot:
    catalogue = load_catalogue()
    return Snapshot(folder.file, folder.environ, catalogue, load_handlers=load_handlers)


def test_a_changed_file_is_taken_over_and_logged(folder: Folder) -> None:
    folder.write(OPEN.format(name="one"))
    running = snapshot(folder)
    folder.write(OPEN.format(name="two"))
    with capture_logs() as lines:
        assert running.refresh()
    assert list(running.config.sources) == ["two"]
    assert lines == [
        {
            "event": "config.reloaded",
            "log_level": "info",
            "path": str(folder.file),
            "sources": 1,
            "destinations": 0,
            "routes": 0,
        }
    ]


def test_a_change_during_a_load_that_is_taken_back_is_no_trap(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at and what was loaded differ, and then the file is as at the look again."""
    folder.write(OPEN.format(name="one"))
    running = snapshot(folder)

    def disturbed(*asked: Any) -> Config:
        folder.write(OPEN.format(name="three"))
        return load_config(*asked)

    with monkeypatch.context() as patch:
        patch.setattr("ingest.config.snapshot.load_config", disturbed)
        folder.write(OPEN.format(name="two"))
        assert running.refresh()
    folder.write(OPEN.format(name="two"))
    running.refresh()
    assert list(running.config.sources) == ["two"]


def test_an_unchanged_file_is_not_loaded_again(folder: Folder) -> None:
    folder.write(OPEN.format(name="one"))
    running = snapshot(folder)
    before = running.current
    folder.write(OPEN.format(name="one"))
    assert not running.refresh()
    assert running.current is before


def test_a_bad_file_keeps_what_was_valid_and_is_logged_once(folder: Folder) -> None:
    folder.write(OPEN.format(name="one"))
    running = snapshot(folder)
    before = running.current
    folder.write("[sources.one]\n")
    with capture_logs() as lines:
        assert [running.refresh(), running.refresh()] == [False, False]
    assert running.current is before
    assert [(line["event"], line["log_level"]) for line in lines] == [("config.rejected", "error")]
    assert "[sources.one] provider: is missing" in lines[0]["error"]


def test_a_repaired_file_is_taken_over(folder: Folder) -> None:
    folder.write(OPEN.format(name="one"))
    running = snapshot(folder)
    folder.write("not toml")
    assert not running.refresh()
    folder.write(OPEN.format(name="two"))
    assert running.refresh()
    assert list(running.config.sources) == ["two"]


def test_a_file_secret_rotates_without_a_restart(folder: Folder) -> None:
    folder.secret("github", "old")
    folder.write(GITHUB)
    running = snapshot(folder)
    folder.secret("github", "new")
    assert running.refresh()
    assert running.config.sources["github"].secrets[0].value == b"new"


def test_a_secret_of_the_same_length_written_in_the_same_instant_is_seen(folder: Folder) -> None:
    """A file's size and times would say that nothing happened."""
    path = folder.secret("github", "old")
    folder.write(GITHUB)
    running = snapshot(folder)
    times = path.stat()
    folder.secret("github", "new")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert running.refresh()


def test_a_secret_that_is_missing_at_a_reload_is_waited_for(folder: Folder) -> None:
    """Whoever edits two files cannot edit them at once."""
    folder.write(OPEN.format(name="one"))
    running = snapshot(folder)
    folder.write(GITHUB)
    assert not running.refresh()
    folder.secret("github", "here now")
    assert running.refresh()
    assert running.config.sources["github"].secrets[0].value == b"here now"


def test_a_file_that_disappears_does_not_empty_the_configuration(folder: Folder) -> None:
    """Editors and mounts replace a file by removing it first."""
    folder.write(OPEN.format(name="one"))
    running = snapshot(folder)
    folder.file.unlink()
    with capture_logs() as lines:
        assert not running.refresh()
    assert list(running.config.sources) == ["one"]
    assert "is gone or unreadable; the configuration it held stays in force" in lines[0]["error"]
    folder.write(OPEN.format(name="two"))
    assert running.refresh()


def test_a_process_may_start_before_there_is_a_file(folder: Folder) -> None:
    running = snapshot(folder)
    assert running.config.sources == {}
    assert not running.refresh()
    folder.write(OPEN.format(name="one"))
    assert running.refresh()


def test_a_process_does_not_start_with_a_bad_file(folder: Folder) -> None:
    folder.write("[sources.one]\n")
    with pytest.raises(ConfigError, match="provider: is missing"):
        snapshot(folder)


def test_handlers_are_imported_only_by_those_who_ask(folder: Folder) -> None:
    (folder.path / "snapshot_handlers.py").write_text(
        "from ingest import on\n@on('*')\ndef seen(event): ...\n"
    )
    folder.write('handlers = ["snapshot_handlers"]')
    assert snapshot(folder).handlers == {}
    assert "snapshot_handlers" not in sys.modules
    assert list(snapshot(folder, load_handlers=True).handlers) == ["snapshot_handlers.seen"]


def test_a_reload_keeps_the_handlers_and_says_when_a_restart_is_needed(folder: Folder) -> None:
    (folder.path / "snapshot_handlers.py").write_text(
        "from ingest import on\n@on('*')\ndef seen(event): ...\n"
    )
    folder.write('handlers = ["snapshot_handlers"]')
    running = snapshot(folder, load_handlers=True)
    handlers = running.handlers
    folder.write('handlers = ["snapshot_handlers", "more"]')
    with capture_logs() as lines:
        assert running.refresh()
    assert running.handlers is handlers
    assert [line["event"] for line in lines] == ["config.reloaded", "config.restart_needed"]
    assert lines[1]["handlers"] == ["snapshot_handlers", "more"]


def test_a_destination_may_not_take_the_name_of_a_handler(folder: Folder) -> None:
    """Deliveries know their destination by its name alone."""
    (folder.path / "snapshot_handlers.py").write_text(
        "from ingest import on\n@on('*', name='billing')\ndef seen(event): ...\n"
    )
    clash = 'handlers = ["snapshot_handlers"]\n[destinations.billing]\nurl = "https://example.com"'
    folder.write(clash)
    with pytest.raises(ConfigError, match=r"\[destinations.billing\] and a handler have the same"):
        snapshot(folder, load_handlers=True)
    folder.write('handlers = ["snapshot_handlers"]')
    running = snapshot(folder, load_handlers=True)
    folder.write(clash)
    assert not running.refresh()


def test_a_schedule_whose_job_is_none_is_refused_by_those_who_know_the_jobs(
    folder: Folder,
) -> None:
    """At the start, and at a reload, where what was valid stays."""
    (folder.path / "snapshot_jobs.py").write_text(
        "from ingest import job, schedule\n"
        "@schedule(every='1h')\n@job(name='tidy')\ndef tidy(context): ...\n"
    )
    head = 'handlers = ["snapshot_jobs"]\n'
    wrong = head + '[schedules.x]\nevery = "1h"\njob = "tidi"\n'
    folder.write(head)
    running = snapshot(folder, load_handlers=True)
    assert list(running.current.schedules) == ["tidy"]
    folder.write(wrong)
    assert not running.refresh()
    assert "x" not in running.config.schedules.active
    with pytest.raises(ConfigError, match=r"\[schedules.x\] job: there is no job 'tidi'"):
        snapshot(folder, load_handlers=True)
    assert "x" in snapshot(folder).config.schedules.active


def test_readers_never_see_half_of_a_change(folder: Folder) -> None:
    """Sources and routes change together, while other threads read and refresh."""
    text = '{source}[destinations.{name}]\nurl = "https://example.com"\n'
    text += '[[routes]]\nsource = "{name}"\nto = ["{name}"]\n'
    texts = [text.format(source=OPEN.format(name=name), name=name) for name in ("one", "two")]
    folder.write(texts[0])
    running = snapshot(folder)
    stop, torn = threading.Event(), list[Loaded]()

    def read() -> None:
        while not stop.is_set():
            running.refresh()
            current = running.current
            if current.config.sources.keys() != current.config.destinations.keys():
                torn.append(current)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(40):
        new = folder.file.with_suffix(".new")
        new.write_text(texts[number % 2])
        new.replace(folder.file)
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []
    running.refresh()
    assert list(running.config.sources) == ["two"]
