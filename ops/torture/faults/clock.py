"""Wall clocks that are wrong: of one process, as of one host, or of the database's."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.torture.faults.sinks import answer
from ops.torture.stage import Stage


@contextmanager
def jump(stage: Stage, *, roles: list[str], seconds_off: float) -> Iterator[None]:
    """Set some clocks forward or back, and right again later; monotonic ones stay true."""
    stage.clocks_moved = True
    for role in roles:
        stage.shims[role].clock(seconds_off)
    yield
    for role in roles:
        stage.shims[role].clock(0.0)


@contextmanager
def jump_while_work_fails(
    stage: Stage, *, roles: list[str], seconds_off: float, order: str
) -> Iterator[None]:
    """As ``jump``, while the destination answers so: when to try again is said by a clock."""
    with answer(stage, order=order), jump(stage, roles=roles, seconds_off=seconds_off):
        yield


@contextmanager
def drift(stage: Stage, *, roles: list[str], steps: int, step_seconds: float) -> Iterator[None]:
    """Let some clocks run ahead step by step, and set them right at once."""
    stage.clocks_moved = True
    for number in range(steps):
        for role in roles:
            stage.shims[role].clock((number + 1) * step_seconds)
        stage.rest(stage.random.uniform(0.1, 0.4))
    yield
    for role in roles:
        stage.shims[role].clock(0.0)
