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
    """What wrk saw. ``failures`` were answered 400 or more, or not at all."""

    answered: int
    failures: int
    seconds: float

    @property
    def acknowledged(self) -> int:
        """Requests that were answered with success."""
        return self.answered - self.failures


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
    return Load(said["requests"], said["status"], said["microseconds"] / 1e6)
