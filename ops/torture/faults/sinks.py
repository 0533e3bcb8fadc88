"""Destinations that fail: errors, requests to slow down, silence, half an answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.torture.stage import Stage


@contextmanager
def answer(stage: Stage, *, order: str) -> Iterator[None]:
    """Let the destination answer every request in this way for a while."""
    stage.sink(order)
    yield
    stage.sink("ok")
