"""Senders that overdo it: a herd, a storm, large bodies, hundreds that say nothing, late ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.torture.stage import NotStruck, Stage
from ops.torture.waiting import NeverCame, wait_until
from tests.live.slow_senders import KINDS, SlowSenders

_DEADLINE_SECONDS = 15.0  # more than a head or a body may take


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
    """Some events with large bodies. Raises NotStruck."""
    sending = stage.send("large", rate=20.0, connections=4, count=count, size=size, again=0.0)
    yield
    stage.answered(sending)


@contextmanager
def late(stage: Stage, *, hours: float, count: int) -> Iterator[None]:
    """Some events that were signed so long ago; from many connections, so in no order.

    Raises NotStruck.
    """
    sending = stage.send(
        "late", rate=20.0, connections=8, count=count, late_seconds=hours * 3_600, forged=0.0
    )
    yield
    stage.answered(sending)


@contextmanager
def slow_clients(stage: Stage, *, connections: int) -> Iterator[None]:
    """Open connections that are silent, slow in a head or in a body, or deaf to their answers.

    Raises NotStruck where those who do not send are not let go for that.
    """
    with SlowSenders(stage.pipeline.port, connections // len(KINDS), to="/in/github") as slow:
        yield
        try:
            wait_until(
                lambda: all(slow.ended[kind] for kind in KINDS if kind != "read"),
                _DEADLINE_SECONDS * stage.stretch,
                "slow connections to be let go",
            )
        except NeverCame as error:
            raise NotStruck(str(error)) from error
