"""The README's first screen, on a fresh copy of the project, as somebody new would do it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.ports import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parent.parent.parent
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Installing every dependency from a cold cache is the slow part.
STARTED_WITHIN_SECONDS = 300


@dataclass(frozen=True)
class Step:
    """A command of the README and the lines it says come out; ``...`` stands for any lines."""

    command: str
    expected: list[str]


def documented_steps() -> list[Step]:
    """The commands under "Try it" after the one that starts everything."""
    section = (PROJECT / "README.md").read_text().split("## Try it")[1].split("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    steps: list[Step] = []
    for line in "".join(blocks[1:]).splitlines():
        if line.startswith("$ "):
            steps.append(Step(line.removeprefix("$ "), []))
        else:
            steps[-1].expected.append(line)
    return steps


@pytest.fixture(scope="module")
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project's files as git would hand them out, with ``ops/up`` running in them."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (PROJECT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in {"VIRTUAL_ENV", "PYTHONPATH"}
    }
    # The README's ports may be taken where the tests run; and no virtual environment is active.
    environ["PATH"] = environ["PATH"].replace(f"{Path(sys.prefix) / 'bin'}:", "")
    environ["HOOKKEEPER_PORT"] = str(free_port())
    environ["HOOKKEEPER_METRICS_PORT"] = str(free_port())
    environ["HOOKKEEPER_CONSOLE_PORT"] = "0"
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            ["ops/up"], cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT
        )

    def is_ready() -> bool:
        printed = (folder / "up.log").read_text(errors="replace")
        assert process.poll() is None, printed[-4000:]
        return "is ready" in printed

    try:
        wait_until(is_ready, timeout=STARTED_WITHIN_SECONDS, describe="ops/up on a fresh clone")
        yield folder
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def run(folder: Path, command: str) -> str:
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def as_pattern(expected: list[str]) -> re.Pattern[str]:
    """Ids and process numbers differ from run to run; everything else is literal."""
    lines = []
    for line in expected:
        if line == "...":
            lines.append(r"(?:.*\n)*?")
            continue
        text = re.escape(EVENT_ID.sub("EVENTID", line))
        text = text.replace("EVENTID", EVENT_ID.pattern)
        lines.append(re.sub(r"process\\ \d+", r"process\\ \\d+", text) + r"\n")
    return re.compile("".join(lines))


def test_the_documented_commands_print_what_is_documented(fresh_clone: Path) -> None:
    steps = documented_steps()
    assert len(steps) == 3, "the README's three commands were found"
    event_id = ""

    for step in steps:
        command = EVENT_ID.sub(event_id, step.command) if event_id else step.command
        expected = as_pattern(step.expected)

        def printed(command: str = command, expected: re.Pattern[str] = expected) -> str | None:
            """A delivery may take a moment, so a command may be asked again, but not ``send``."""
            output = run(fresh_clone, command)
            shown = expected.fullmatch(output) is not None
            assert shown or "send" not in command, output
            return output if shown else None

        output = wait_until(printed, describe=f"{command} to print what the README says")
        found = EVENT_ID.search(output or "")
        event_id = event_id or (found.group() if found else "")


def test_the_fresh_clone_is_left_clean(fresh_clone: Path) -> None:
    """Whatever is made at run time is ignored by git: nothing to commit by mistake."""
    subprocess.run(["git", "init", "-q"], cwd=fresh_clone, check=True)
    listed = run(fresh_clone, "git ls-files -o --exclude-standard")

    made = {name for name in listed.splitlines() if not (PROJECT / name).exists()}
    assert made == {"up.log"}
