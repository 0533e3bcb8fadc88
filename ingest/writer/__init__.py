"""The one door to the store: arrivals are committed in groups, by a process of their own.

The receiver's event loop and a committing thread would fight for one interpreter lock: SQLite
gives it back at every row, and each return waits for the other's turn (measured: 0.3 of what a
bare application accepts with a thread, 0.5 and more with a process; ops/bench/README.md). So
the receiver spawns a writer, which inherits nothing but a socket:

* ``link``: the receiver's end. Sends what arrived, wakes who waits, starts a dead writer anew.
* ``wire``: what goes over the socket.
* ``committing``: the writer's end. Commits whatever waits, answers, publishes; ends with its
  receiver.
"""

from ingest.writer.link import Writer
from ingest.writer.wire import Orders

__all__ = ["Orders", "Writer"]
