"""``hookkeeper export`` as a person runs it: killed and run again, refused, and never too large."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ingest.store import Database, open_database
from ops.bench.filling import fill
from ops.bench.processes import family, resident_bytes
from ops.bench.rows.export import peak_kibibytes
from tests.cli.command import argv, environ, run
from tests.export import reading
from tests.export.conftest import NOON
from tests.store import making
from tests.waiting import wait_until

MOST_MEBIBYTES = 300


@pytest.fixture
def folder(tmp_path: Path, sqlite_template: Path) -> Path:
    """A folder in which a pipeline has run."""
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, tmp_path / "data" / "hookkeeper.db")
    return tmp_path


@pytest.fixture
def database(folder: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{folder}/data/hookkeeper.db")
    yield database
    database.close()


@contextmanager
def filled(folder: Path, events: int) -> Iterator[Database]:
    """So many events of 90 days and ten sources; nobody else may have it open at first."""
    url = f"sqlite:///{folder}/data/hookkeeper.db"
    fill(url, events, 0)
    database = open_database(url)
    yield database
    database.close()


def test_an_export_says_what_it_wrote_and_where(folder: Path, database: Database) -> None:
    making.stored(database, 3, received_at=NOON)
    done = run(folder, "export", "--to", "archive")

    assert done.code == 0, done.err
    assert done.out.startswith("3 events from the beginning to ")
    assert " are in archive: 1 file, " in done.out
    (manifest,) = (folder / "archive" / "_exports").iterdir()
    assert f"Manifest: _exports/{manifest.name}" in done.out
    assert len(reading.ids_in(folder / "archive")) == 3


def test_on_a_terminal_a_bar_tells_how_far_it_is(folder: Path, database: Database) -> None:
    making.stored(database, 3, received_at=NOON)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        argv("export", "--to", "archive"),
        cwd=folder,
        env={**environ(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        drawn = b""
        with suppress(OSError):  # how a terminal says that the other end is closed
            while part := os.read(ours, 4_096):
                drawn += part
        assert process.stdout is not None
        said = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert b"3/3 rows" in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", drawn)
    assert said.startswith(b"3 events from the beginning to ")


def test_without_a_place_it_goes_beside_the_database(folder: Path, database: Database) -> None:
    making.stored(database, received_at=NOON)
    assert run(folder, "export", "--format", "jsonl").code == 0
    assert len(reading.data_files(folder / "data" / "exports")) == 1


def test_what_is_exported_is_readable_by_its_owner_only(folder: Path, database: Database) -> None:
    making.stored(database, received_at=NOON)
    run(folder, "export", "--to", "archive")
    for path in reading.data_files(folder / "archive"):
        assert (folder / "archive" / path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--source", "githb"), "--source: there is no source 'githb'; did you mean \"github\"?"),
        (("--state", "dead"), "--state: there is no state 'dead'"),
        (("--type", "*.opened"), "--type: '*.opened'"),
        (("--since", "yesterday"), "--since: 'yesterday'"),
        (("--since", "1h", "--until", "2h"), "--since:"),
        (("--until", "noon"), "--until: 'noon'"),
        (("--format", "xml"), "--format: there is no format 'xml'"),
        (("payloads",), "DATASET: there is no dataset 'payloads'"),
        (("--to", "ftp://host/x"), "--to: 'ftp://host/x' is no place"),
        (("--to", "s3://"), "--to: s3:// names no bucket"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    folder: Path, database: Database, arguments: tuple[str, ...], reason: str
) -> None:
    making.stored(database, received_at=NOON)
    done = run(folder, "export", *arguments)

    assert done.code == 2
    assert reason in done.err
    assert "Traceback" not in done.err
    assert {path.name for path in folder.iterdir()} == {"data"}
    assert not (folder / "data" / "exports").exists()


def test_an_export_that_is_killed_is_finished_by_the_same_command(folder: Path) -> None:
    """SIGKILL at any moment: what can be seen is whole, and in the end every row is there once."""
    command = ("export", "--to", "archive", "--since", "100d", "--json")
    archive = folder / "archive"
    with filled(folder, 60_000) as database:
        for written in (1, 20, 60):
            _kill_after(folder, command, written)
            assert reading.ids_in(archive), "a file is not whole"
        done = run(folder, *command)
        stored = making.rows(database, "SELECT id FROM events ORDER BY id")

    assert done.code == 0, done.err
    assert done.json["kept_chunks"] >= 60
    assert reading.ids_in(archive) == [id_ for (id_,) in stored]
    assert done.json["rows"] == 60_000
    assert done.json["files"] == len(reading.data_files(archive))
    assert [path.suffix for path in (archive / "_exports").iterdir()] == [".json"]


def _kill_after(folder: Path, command: tuple[str, ...], chunks: int) -> None:
    with subprocess.Popen(argv(*command), cwd=folder, env=environ()) as process:

        def has_written() -> bool:
            assert process.poll() is None, "it ended before it could be killed"
            return len(list((folder / "archive" / "_exports").rglob("0*.json"))) >= chunks

        wait_until(has_written, timeout=60)
        process.send_signal(signal.SIGKILL)


def test_two_processes_write_it_and_both_end_with_the_command(folder: Path) -> None:
    """SIGKILL of the one that people see ends the other too, in the middle of its chunk."""
    with filled(folder, 60_000):
        _kill_with_its_companion(folder)
        _kill_with_its_companion(folder, signal.SIGINT)
        done = run(folder, "export", "--to", "archive", "--since", "100d", "--json")

    assert done.json["rows"] == 60_000
    assert len(set(reading.ids_in(folder / "archive"))) == 60_000


def _kill_with_its_companion(folder: Path, number: int = signal.SIGKILL) -> None:
    command = argv("export", "--to", "archive", "--since", "100d")
    with subprocess.Popen(
        command, cwd=folder, env=environ(), stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        companion = wait_until(lambda: _children(process.pid), timeout=30)[0]
        os.killpg(process.pid, number) if number == signal.SIGINT else process.kill()
        wait_until(lambda: not Path(f"/proc/{companion}").exists(), describe="no orphan")
    assert process.returncode != 0


def test_a_companion_ends_with_its_input(folder: Path) -> None:
    """However its parent ended, and though nothing was asked of it yet."""
    command = [sys.executable, "-m", "ingest.export.beside"]
    done = subprocess.run(
        command, cwd=folder, env=environ(), input=b"", capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_an_export_goes_on_without_its_companion(folder: Path) -> None:
    """The chunk that it was at is written by the command itself."""
    with (
        filled(folder, 60_000),
        subprocess.Popen(
            argv("export", "--to", "archive"), cwd=folder, env=environ(), stdout=subprocess.DEVNULL
        ) as process,
    ):
        companion = wait_until(lambda: _children(process.pid), timeout=30)[0]
        os.kill(companion, signal.SIGKILL)

    assert process.returncode == 0
    assert len(reading.ids_in(folder / "archive")) == 60_000


def test_memory_is_bounded_whatever_the_bodies(folder: Path) -> None:
    """320 MB in bodies as large as they may be by default, beside thousands of small ones.

    Two processes write the small ones, and one the large ones.
    """
    with filled(folder, 60_000) as database:
        for number in range(32):
            at = NOON - number % 4 * making.DAY_MS + number
            making.stored(database, received_at=at, body=os.urandom(10_000_000))
    together, alone = [0], [0]
    with subprocess.Popen(
        argv("export", "--to", "archive"), cwd=folder, env=environ(), stdout=subprocess.DEVNULL
    ) as process:

        def has_ended() -> bool:
            together.append(resident_bytes([process.pid]) // 1024)
            alone.append(peak_kibibytes(process.pid))
            return process.poll() is not None

        wait_until(has_ended, timeout=120)

    assert process.returncode == 0
    assert 50 < max(alone) / 1024 <= MOST_MEBIBYTES
    assert max(together) / 1024 <= MOST_MEBIBYTES
    assert len(reading.ids_in(folder / "archive")) == 60_032


def _children(pid: int) -> list[int]:
    return family([pid])[1:]
