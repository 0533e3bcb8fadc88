"""Events whose handler raises, hangs, eats memory, exits, crashes or blocks the interpreter."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.torture.stage import Stage


@contextmanager
def poison(stage: Stage, *, do: str, count: int) -> Iterator[None]:
    """Post a few that are never handled well, among many that are. Raises NotStruck."""
    name = f"poison-{do}"
    stage.poison[f"{stage.plan.seed}-{name}-"] = do
    sending = stage.send(name, rate=20.0, connections=2, count=count, do=do, again=0.0, forged=0.0)
    yield
    stage.answered(sending)
