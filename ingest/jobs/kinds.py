"""The kinds of jobs that there are: users' own, and those that Hookkeeper brings."""

from collections.abc import Mapping

from ingest.config.mistakes import did_you_mean
from ingest.errors import ConfigError
from ingest.jobs.specs import DEFAULT_QUEUE, JobSpec
from ingest.jobs.workflow import Call

#: Kinds whose functions live with the actors, which nothing here imports; all in the queue "jobs".
BUILT_IN = frozenset(
    (
        *("bulk_replay", "export", "export_chunk", "export_manifest"),
        *("retention", "cleanup", "report"),
    )
)


def check_kinds(jobs: Mapping[str, JobSpec]) -> None:
    """Raise ConfigError where a user's job has the name of one that Hookkeeper brings."""
    for kind in sorted(BUILT_IN & jobs.keys()):
        raise ConfigError(
            f"handlers: {kind!r} is the name of a job that Hookkeeper brings; give yours another: "
            "@job(name=...)"
        )


class Kinds:
    """Answers what can be made. ``jobs``: users' own, as the configuration has them now."""

    def __init__(self, jobs: Mapping[str, JobSpec]) -> None:
        self._jobs = jobs

    def queue_of(self, kind: str) -> str:
        """Return the queue of a kind. Raises ValueError for one that there is not."""
        if kind in self._jobs:
            return self._jobs[kind].queue
        if kind in BUILT_IN:
            return DEFAULT_QUEUE
        raise ValueError(
            f"there is no job {kind!r}; {did_you_mean(kind, [*self._jobs, *BUILT_IN])}"
        )

    def check(self, call: Call) -> None:
        """Raise ValueError for an unknown kind, or arguments that its function does not take.

        What a built-in kind is given, whoever makes it has to check.
        """
        self.queue_of(call.kind)
        if call.kind in self._jobs:
            self._jobs[call.kind].check_arguments(call.args, call.kwargs)
