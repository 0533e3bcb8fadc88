"""How crowded the machine is: how many times longer than its CPU time a process takes."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

_WORK = "sum(range(2_000_000))"  # 50 ms of a core
#: The most that the processes of a trial alone make of it, on two cores that nobody else wants
#: (medians of 1.1 to 1.8 were measured).
_OWN = 2.0


def sample() -> float:
    """Wall time over CPU time of a small process: 1 on an idle machine."""
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", _WORK]) as process:
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    return took / max(used.ru_utime + used.ru_stime, 0.001)


def stretch(samples: Sequence[float]) -> float:
    """How many times as long as on a machine of its own everything may take; at least 1."""
    return max(1.0, statistics.median(samples) / _OWN) if samples else 1.0
