"""Configurations that change, or break, while events come in."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.torture.stage import Stage


@contextmanager
def reload(stage: Stage, *, times: int) -> Iterator[None]:
    """Write the file anew, each time with another comment, by replacing it whole."""
    text = stage.pipeline.config.read_text()
    for number in range(times):
        _replace(stage, f"{text}\n# change {number}\n")
        stage.rest(stage.random.uniform(0.2, 1.2))
    yield
    _replace(stage, text)


@contextmanager
def breaking(stage: Stage) -> Iterator[None]:
    """Write one that cannot be read: the last good one has to serve on."""
    text = stage.pipeline.config.read_text()
    _replace(stage, text + "\n[sources.broken\n")
    yield
    _replace(stage, text)


def _replace(stage: Stage, text: str) -> None:
    draft = stage.pipeline.config.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(stage.pipeline.config)
