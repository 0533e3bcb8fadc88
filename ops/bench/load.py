"""Closed-loop load by wrk: as many requests as so many connections can get answered."""

import json
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from ops.bench import request
from tests.services.programs import find_program

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw. ``refused`` were answered 400 or more, ``late`` after more than 10 s.

    ``broken`` were not answered: connecting, writing or reading failed.
    """

    answered: int
    refused: int
    seconds: float
    broken: int = 0
    late: int = 0

    @property
    def acknowledged(self) -> int:
        """Requests that were answered with success."""
        return self.answered - self.refused

    @property
    def failures(self) -> int:
        """Requests that did not go as they should."""
        return self.refused + self.broken + self.late


def audit(load: Load, stored: int, connections: int) -> None:
    """Compare what was acknowledged with how many events are stored, or handled.

    More may be: one a connection whose answer wrk did not stay to read, those whose connection
    broke, and those that were refused because their commit took too long and came through after
    all. Raises RuntimeError if there are fewer than were acknowledged, or more than that explains.
    """
    most = load.answered + load.broken + connections
    if not load.acknowledged <= stored <= most:
        raise RuntimeError(
            f"{load.acknowledged} were acknowledged, at most {most} posted, but {stored} are there"
        )


def wrk(url: str, connections: int, seconds: float, folder: Path) -> Load:
    """Post the benchmark's event for so many seconds and return what came of it.

    ``folder``: where the request may be written. Raises RuntimeError if wrk fails.
    """
    whole = folder / f"request-{uuid.uuid4()}"
    whole.write_bytes(request.template(url))
    program = find_program(("wrk",), (), "wrk")
    command = [str(program), "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", "10s"]
    command += ["--script", str(_SCRIPT), url, "--", str(whole), uuid.uuid4().hex[:8]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    whole.unlink()
    return parse(done.stdout, done.stderr)


def parse(printed: str, complaints: str = "") -> Load:
    """Read the line that post.lua prints at the end."""
    found = [line for line in printed.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise RuntimeError(f"wrk failed: {printed}{complaints}")
    said = json.loads(found[-1].removeprefix("RESULT "))
    broken = said["connect"] + said["read"] + said["write"]
    seconds = said["microseconds"] / 1e6
    return Load(said["requests"], said["status"], seconds, broken, said["timeout"])
