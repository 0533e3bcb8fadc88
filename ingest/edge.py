"""What a connection is granted before it is a request, and who counts what was refused there."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.answers import Answer
from ingest.callers import Callers


def _nobody_counts(_answer: Answer) -> None:
    """The console counts what reaches its operations."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The limits of a server's connections. An application has it as its attribute ``edge``.

    ``head_seconds``: for a head, from the connection or its first byte, and for a sender to read
    on once its answers pile up. ``drain_seconds``: how long a server that stops still answers on
    connections that rest. ``refused`` is called once for each answer to what became no request.
    """

    head_seconds: float = 10.0
    drain_seconds: float = 2.0
    callers: Callers = field(default_factory=lambda: Callers(256))
    refused: Callable[[Answer], None] = _nobody_counts
