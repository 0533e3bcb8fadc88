"""The writer process: ``python -m ingest.writer FD``, started by a receiver and by nobody else.

It ends when its receiver does: the socket says so. Signals that are meant for the receiver, or
for the whole group of processes, must not end it before what waits is committed.
"""
# ruff: noqa: PLC0415  metrics become shared before anything imports them (ingest/exposition.py)

import signal
import socket
import sys
from pathlib import Path

from ingest import exposition, logs, queue
from ingest.store import open_database
from ingest.writer.pulse import start_pulse
from ingest.writer.socket_end import WriterEnd


def main() -> None:
    """Serve one receiver."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end = WriterEnd(socket.socket(fileno=int(sys.argv[1])))
    orders = end.orders()
    if orders is None:  # the receiver is gone already
        return
    start_pulse(end)
    logs.configure(orders.log_level, orders.log_format)
    if orders.metrics_folder is not None:
        exposition.prepare(Path(orders.metrics_folder))

    from ingest.publisher import Publisher
    from ingest.writer.committing import Committing

    broker = queue.build_broker(orders.broker_url, [])
    publisher = Publisher(queue.DISPATCH, lambda ids: queue.publish_events(broker, ids))
    publisher.start()
    Committing(end, lambda: open_database(orders.database_url), publisher.offer).run()
    publisher.stop()


if __name__ == "__main__":
    main()
