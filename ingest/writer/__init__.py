"""The one door to the store: arrivals are committed in groups, by a process of their own.

The receiver's event loop and a committing thread would fight for one interpreter lock: SQLite
gives it back at every row, and each return waits for the other's turn (measured: 1,400 events a
second with a thread, 2,300 with a process, all else equal; how far that is from a bare application
is in ops/bench/README.md). So the receiver spawns a writer, which inherits nothing but a socket:

* ``link``: the receiver's end. Sends what arrived, passes answers on, and starts a writer anew that
  is dead or stands still.
* ``waiting``: the senders who wait for an answer, and how many may.
* ``wire``: what goes over the socket.
* ``committing``: the writer's end. Commits whatever waits, answers, publishes; ends with its
  receiver.
"""

from ingest.writer.link import Writer
from ingest.writer.wire import Orders

__all__ = ["Orders", "Writer"]
