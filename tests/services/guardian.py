"""A guardian outlives the test run and clears away what it left: one server and its folder.

It waits for the end of its standard input, which comes however the run ends, by SIGKILL too.
"""

import subprocess
from pathlib import Path

SCRIPT = """
pid=0
while read -r next; do pid=$next; done
[ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null
rm -rf -- "$1"
"""


class Guardian:
    """Watches one folder and at most one process."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT, "guardian", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it
        )

    def watch(self, pid: int) -> None:
        """Kill this process, and no earlier one, when the run ends; 0 for none."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{pid}\n")
        self._process.stdin.flush()

    def dismiss(self) -> None:
        """End now: kill the process that is still watched and remove the folder."""
        self._process.communicate(timeout=30)
