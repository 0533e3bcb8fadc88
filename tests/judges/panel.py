"""A judge's process, asked one request after the other: the SDKs of one language."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.unit.verify.builders.judging import Sent

FOLDER = Path(__file__).parent
#: Where ops/test installs the judges, Node beside the Python SDKs.
ROOT = FOLDER.parents[1]
PROGRAMS = ROOT / ".venv" / "judges" / "bin"
COMMANDS = {
    "python": (str(PROGRAMS / "python"), "-m", "judges.judge"),
    "node": (str(PROGRAMS / "node"), str(FOLDER / "node" / "judge.mjs")),
}


class Panel:
    """The SDKs of one language."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.known = self._ask({"op": "list"})

    @classmethod
    @contextmanager
    def seated(cls, command: Sequence[str]) -> Iterator[Self]:
        """Start the process, and end it. Raises FileNotFoundError where ops/test has not run."""
        with subprocess.Popen(
            command,
            cwd=FOLDER.parent,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield cls(process)
            finally:
                process.kill()

    def holds(self, sdk: str, sent: Sent) -> tuple[bool, str]:
        """What an SDK says of a request, and why not."""
        said = self._ask({"op": "verify", "sdk": sdk, **_line(sent)})
        assert type(said["valid"]) is bool
        return said["valid"], said["why"]

    def signed(self, sdk: str, sent: Sent) -> Sent:
        """The request with the headers that an SDK makes for it."""
        made = self._ask({"op": "sign", "sdk": sdk, **_line(sent)})["headers"]
        return sent.but(headers={**sent.headers, **made})

    def _ask(self, line: Mapping[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(line) + "\n")
        stdin.flush()
        said = json.loads(stdout.readline())
        assert isinstance(said, dict)
        return said


def _line(sent: Sent) -> Mapping[str, Any]:
    return {
        "method": sent.method,
        "url": sent.url,
        "headers": dict(sent.headers),
        "body": base64.b64encode(sent.body).decode(),
        "secret": sent.secret,
        "now": sent.now,
    }
