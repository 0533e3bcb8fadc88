"""Chains, groups and chords: which jobs are made together, and which waits for which. Pure.

    chain(fetch.s("x"), resize.s(width=80))            one after the other
    group(resize.s(width=w) for w in (80, 160))        side by side
    chord([resize.s(width=80), resize.s(width=160)], publish.s())    then publish, once

They nest. A workflow becomes rows and links in the database, so it survives what its workers do
not; a successor reads what its predecessors returned from ``context.results``.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from ingest.jobs.states import LARGEST_JSON, JobState, Link, NewJob, Plan


@dataclass(frozen=True, slots=True)
class Call:
    """One job that is to be made: its kind and arguments. ``queue`` None: its kind's."""

    kind: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """Parts that run one after the other."""

    parts: tuple["Work", ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that run side by side."""

    parts: tuple["Work", ...]


Work = Call | Chain | Group


def chain(*parts: Work) -> Chain:
    """Run parts one after the other; each gets the results of the one before."""
    return Chain(_some(parts, "chain"))


def group(*parts: Work | Iterable[Work]) -> Group:
    """Run parts side by side."""
    flat = (one for part in parts for one in ([part] if isinstance(part, Work) else part))
    return Group(_some(tuple(flat), "group"))


def chord(members: Iterable[Work], callback: Work) -> Chain:
    """Run members side by side, and once all have succeeded the callback, with their results."""
    return Chain((group(*members), callback))


def plan(
    work: Work,
    queue_of: Callable[[str], str],
    new_id: Callable[[], str],
    *,
    on_error: Call | None = None,
) -> Plan:
    """Lay out the jobs and links of a workflow.

    ``queue_of`` a kind: raises ValueError for one that there is not. ``on_error``: a job that runs
    once if any member fails for good. Raises ValueError for arguments that JSON cannot hold or
    that take more than 64 KB.
    """
    layout = _Layout(queue_of, new_id)
    layout.add(work, [])
    waits = Counter(link.after for link in layout.links)
    if on_error is not None:
        members = tuple(layout.jobs)
        errback = layout.job(on_error)
        layout.links += [Link(one.id, errback, JobState.FAILURE) for one in members]
        waits[errback] = 1  # for the first of them; no success counts it down
    jobs = tuple(replace(one, remaining=waits[one.id]) for one in layout.jobs)
    return Plan(jobs, tuple(layout.links))


def spelled(args: Iterable[Any], kwargs: dict[str, Any]) -> str:
    """Write a job's arguments as JSON. Raises ValueError where that cannot be done within 64 KB."""
    try:
        text = orjson.dumps({"args": list(args), "kwargs": kwargs})
    except TypeError as error:
        raise ValueError(f"arguments of a job are kept as JSON: {error}") from None
    if len(text) > LARGEST_JSON:
        raise ValueError(
            f"arguments of a job take at most {LARGEST_JSON:,} bytes of JSON, these take "
            f"{len(text):,}. Put what is large where the job can read it and pass its address."
        )
    return text.decode()


class _Layout:
    """Jobs and links as they are found, first to last."""

    def __init__(self, queue_of: Callable[[str], str], new_id: Callable[[], str]) -> None:
        self._queue_of = queue_of
        self._new_id = new_id
        self.jobs: list[NewJob] = []
        self.links: list[Link] = []

    def add(self, work: Work, after: list[str]) -> list[str]:
        """Lay out work that waits for the jobs ``after``; return the jobs that end it."""
        match work:
            case Call():
                id_ = self.job(work)
                self.links += [Link(one, id_, position=at) for at, one in enumerate(after)]
                return [id_]
            case Chain(parts):
                for part in parts:
                    after = self.add(part, after)
                return after
            case Group(parts):
                return [end for part in parts for end in self.add(part, after)]

    def job(self, call: Call) -> str:
        """Add one job; its id."""
        arguments = spelled(call.args, call.kwargs)
        queue = call.queue or self._queue_of(call.kind)
        self.jobs.append(NewJob(self._new_id(), call.kind, queue, arguments))
        return self.jobs[-1].id


def _some(parts: tuple[Work, ...], word: str) -> tuple[Work, ...]:
    if not parts:
        raise ValueError(f"a {word} of nothing: give it at least one job")
    return parts
