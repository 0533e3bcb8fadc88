"""Senders that overdo it: a herd, a storm, large bodies, hundreds that say nothing, late ones."""

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ops.torture.stage import Stage
from ops.torture.waiting import NeverCame


@contextmanager
def herd(stage: Stage, *, factor: float) -> Iterator[None]:
    """So many times the load, from many connections, for a while."""
    sending = stage.send("herd", rate=stage.plan.rate * factor, connections=64, again=0.0)
    yield
    sending.stop()


@contextmanager
def storm(stage: Stage, *, copies: int, connections: int) -> Iterator[None]:
    """One event, posted so many times from so many connections at once."""
    sending = stage.send(
        "storm", rate=1.0, connections=connections, count=1, copies=copies, again=0.0, forged=0.0
    )
    yield
    if not sending.finish(120):
        raise NeverCame("the storm to be answered")


@contextmanager
def large(stage: Stage, *, size: int, count: int) -> Iterator[None]:
    """Some events with large bodies."""
    sending = stage.send("large", rate=20.0, connections=4, count=count, size=size, again=0.0)
    yield
    sending.stop()


@contextmanager
def late(stage: Stage, *, hours: float) -> Iterator[None]:
    """Some events that were signed so long ago; from many connections, so in no order."""
    sending = stage.send(
        "late", rate=20.0, connections=8, count=100, late_seconds=hours * 3_600, forged=0.0
    )
    yield
    sending.stop()


@contextmanager
def slow_clients(stage: Stage, *, connections: int) -> Iterator[None]:
    """Open connections that begin a request, send a byte now and then, and never end it."""
    with contextlib.ExitStack() as opened:
        clients = []
        for _ in range(connections):
            client = opened.enter_context(contextlib.closing(socket.socket()))
            client.settimeout(5)
            with contextlib.suppress(OSError):
                client.connect(("127.0.0.1", stage.pipeline.port))
                client.sendall(b"POST /in/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
                clients.append(client)
        for _ in range(4):
            stage.rest(0.5)
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(b"X")
        yield
