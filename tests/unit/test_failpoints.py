"""Moments to die at: off in every process that was not told otherwise."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest import failpoints

ROOT = Path(__file__).parents[2]
REACH_TWICE = """
from ingest.failpoints import reached
reached("writer.after_commit")
print("once", flush=True)
reached("publish.unknown")
reached("writer.after_commit")
print("twice", flush=True)
"""


def run(setting: str | None) -> "subprocess.CompletedProcess[str]":
    environ = {key: value for key, value in os.environ.items() if key != failpoints.VARIABLE}
    if setting is not None:
        environ[failpoints.VARIABLE] = setting
    return subprocess.run(
        [sys.executable, "-c", REACH_TWICE],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_process_dies_when_it_comes_there_for_the_last_time() -> None:
    done = run("writer.before_commit=kill@1 writer.after_commit=kill@2")

    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["once"]


@pytest.mark.parametrize("setting", [None, "", "writer.after_commit=kill@3"])
def test_nothing_happens_elsewhere(setting: str | None) -> None:
    done = run(setting)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["once", "twice"]


@pytest.mark.parametrize(
    "setting", ["nowhere=kill@1", "writer.after_commit", "writer.after_commit=kill@0", "x=y"]
)
def test_a_setting_that_means_nothing_ends_the_process_with_its_words(setting: str) -> None:
    done = run(setting)

    assert done.returncode == 1
    assert setting in done.stderr


def test_no_process_of_the_tests_has_any_armed() -> None:
    assert failpoints._armed is None


def test_each_name_is_one_moment_in_the_code() -> None:
    texts = [
        path.read_text()
        for folder in ("ingest", "actors")
        for path in (ROOT / folder).rglob("*.py")
    ]
    found = re.findall(r'reached\("([a-z._]+)"\)', "".join(texts))

    assert sorted(found) == sorted(failpoints.NAMES)
