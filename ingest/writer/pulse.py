"""The writer's sign of life, whatever it does: a commit may wait, its process may not stand still.

The receiver cannot tell a slow database from a stopped process by the answers that do not come.
With the pulse it can: a thread sends it while a commit waits for a lock, a disk or a network, and
none does in a process that was stopped, frozen, or never gets to run.
"""

import threading
import time

from ingest.writer.socket_end import WriterEnd

PULSE_SECONDS = 0.5


def start_pulse(end: WriterEnd) -> None:
    """Send one every ``PULSE_SECONDS``, until the receiver or this process ends."""
    threading.Thread(target=_beat, args=(end,), name="pulse", daemon=True).start()


def _beat(end: WriterEnd) -> None:
    while end.beat():
        time.sleep(PULSE_SECONDS)
