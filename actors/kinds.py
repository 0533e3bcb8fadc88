"""The kinds of jobs that a worker can run: users' own, and those that Hookkeeper brings."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType

from actors import bulk_replay, cleanup, export, report, retention
from ingest.config.snapshot import Loaded
from ingest.jobs.specs import JobSpec, jobs_of

#: The modules whose ``@job`` functions every worker knows; ``ingest.jobs.kinds`` has their names.
MODULES: Sequence[ModuleType] = (bulk_replay, cleanup, export, report, retention)


@cache
def built_in() -> Mapping[str, JobSpec]:
    """Return the kinds that Hookkeeper brings."""
    return jobs_of(MODULES)


def spec_of(loaded: Loaded, kind: str) -> JobSpec | None:
    """Return what a kind is; None for one that the configuration does not name any more."""
    return loaded.jobs.get(kind) or built_in().get(kind)


def caps(loaded: Loaded) -> dict[str, int]:
    """Return the most that may run at once, by kind, where there is a limit."""
    specs = {**built_in(), **loaded.jobs}
    return {kind: spec.concurrency for kind, spec in specs.items() if spec.concurrency is not None}
