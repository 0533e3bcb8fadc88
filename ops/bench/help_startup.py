"""How long `hookkeeper --help` takes from start to exit, beside an interpreter that does nothing.

Usage: .venv/bin/python ops/bench/help_startup.py [runs]
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TARGET_MS = 150
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "hookkeeper --help": [sys.executable, "-m", "ingest.cli", "--help"],
}


def milliseconds(command: list[str]) -> float:
    """Run a command once and return its wall time."""
    started = time.perf_counter()
    subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (time.perf_counter() - started) * 1_000


def main(runs: int) -> None:
    """Run the commands in turn, so that a busy moment hits both, and print the figures."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        milliseconds(command)  # reads the files once, and compiles what is not compiled
    for _ in range(runs):
        for name, command in COMMANDS.items():
            times[name].append(milliseconds(command))
    for name, values in times.items():
        print(f"{name:20} median {statistics.median(values):6.1f} ms   best {min(values):6.1f} ms")
    met = statistics.median(times["hookkeeper --help"]) <= TARGET_MS
    print(f"target: median <= {TARGET_MS} ms: {'met' if met else 'missed'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
