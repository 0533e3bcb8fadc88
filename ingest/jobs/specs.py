"""Users' jobs: functions that say with ``@job`` how they are to be run.

    @job(max_retries=3, retry_for=(ConnectionError, TimeoutError), time_limit=600)
    def resize(context: JobContext, image: str, *, width: int) -> dict[str, int]: ...

The decorator only marks the function, as ``@on`` does; the modules named in hookkeeper.toml are
imported and collected by ``jobs_of``. Cheap to import, on purpose.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from ingest.backoff import RetryPolicy
from ingest.errors import ConfigError
from ingest.jobs.context import JobContext
from ingest.jobs.workflow import Call
from ingest.marks import JOB, marked, own_name

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

DEFAULT_QUEUE = "jobs"
DEFAULT_TIME_LIMIT_SECONDS = 600.0
DEFAULT_MAX_RETRIES = 3

_QUEUE = re.compile(r"(?!.*\.[DX]Q$)[a-zA-Z_][a-zA-Z0-9._-]*")  # dramatiq's rule for queues
_RESERVED_QUEUES = frozenset({"dispatch", "deliver", "process", "notify"})


def retry_policy(max_retries: int) -> RetryPolicy:
    """Try again so many times, the n-th after up to ``2**n`` seconds, and ten minutes at most."""
    return RetryPolicy(base_ms=2_000, cap_ms=600_000, attempts=max_retries + 1)


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What one kind of job is. ``function`` takes a JobContext and then its own arguments."""

    kind: str
    function: Callable[..., Any]
    policy: RetryPolicy = field(default_factory=lambda: retry_policy(DEFAULT_MAX_RETRIES))
    retry_for: tuple[type[BaseException], ...] = (Exception,)
    time_limit_seconds: float = DEFAULT_TIME_LIMIT_SECONDS
    soft_time_limit_seconds: float | None = None
    concurrency: int | None = None
    queue: str = DEFAULT_QUEUE

    @property
    def is_async(self) -> bool:
        """Whether it runs on the event loop."""
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(
            getattr(self.function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
        )

    def check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise ValueError where the function could not be called with these."""
        try:
            inspect.signature(self.function).bind(None, *args, **kwargs)
        except TypeError as error:
            raise ValueError(f"{self.kind} cannot be called so: {error}") from None


class Job(Protocol[P, R_co]):
    """A function that is marked as a job: still itself, and the maker of its own calls."""

    def __call__(self, context: JobContext, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run it here and now, as in a test."""

    def s(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Describe one run of it, for ``enqueue`` and workflows. Raises ValueError."""


def job(
    *,
    name: str | None = None,
    max_retries: int = DEFAULT_MAX_RETRIES,
    retry_for: tuple[type[BaseException], ...] = (Exception,),
    time_limit: float = DEFAULT_TIME_LIMIT_SECONDS,
    soft_time_limit: float | None = None,
    concurrency: int | None = None,
    queue: str = DEFAULT_QUEUE,
) -> Callable[[Callable[Concatenate[JobContext, P], R_co]], Job[P, R_co]]:
    """Mark a function, sync or async, that takes a JobContext and its arguments, as a job.

    ``max_retries``: how often it is tried again after an exception of ``retry_for``; any other
    exception, and ``Permanent``, is final. ``time_limit`` in seconds ends a try;
    ``soft_time_limit`` tells it before, so that it may clean up. ``concurrency`` caps how many run
    at once, over all workers. ``name``: the kind, instead of ``module.function``.

    Raises ConfigError at once where an argument cannot be right.
    """
    _check(max_retries, retry_for, time_limit, soft_time_limit, concurrency, queue)

    def mark(function: Callable[Concatenate[JobContext, P], R_co]) -> Job[P, R_co]:
        spec = JobSpec(
            name or own_name(function),
            function,
            retry_policy(max_retries),
            retry_for,
            time_limit,
            soft_time_limit,
            concurrency,
            queue,
        )

        def call(*args: P.args, **kwargs: P.kwargs) -> Call:
            spec.check_arguments(args, kwargs)
            return Call(spec.kind, args, kwargs, spec.queue)

        setattr(function, JOB, spec)
        function.s = call  # type: ignore[attr-defined]  # functions may have any attribute
        return cast("Job[P, R_co]", function)

    return mark


def jobs_of(modules: Sequence[ModuleType]) -> Mapping[str, JobSpec]:
    """Collect what modules mark with ``@job``, in order, by kind.

    Raises ConfigError where two functions share a kind, or one cannot be a job.
    """
    jobs: dict[str, JobSpec] = {}
    for module in modules:
        for function, spec in marked(module, JOB):
            _check_function(spec.kind, function)
            known = jobs.setdefault(spec.kind, spec)
            if known.function is not function:
                raise ConfigError(
                    f"handlers: {module.__name__} and {known.function.__module__} both have a job "
                    f"named {spec.kind!r}; give one of them another: @job(name=...)"
                )
    return MappingProxyType(jobs)


def _check_function(kind: str, function: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"handlers: {kind} is a generator: calling it would run none of it")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"handlers: {kind} cannot be called: {error}") from None
    positional = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    if not parameters or parameters[0].kind in positional:
        raise ConfigError(f"handlers: {kind} must take the job's context as its first argument")


def _check(
    max_retries: int,
    retry_for: object,
    time_limit: float,
    soft_time_limit: float | None,
    concurrency: int | None,
    queue: str,
) -> None:
    if not _is_whole(max_retries) or max_retries < 0:
        raise ConfigError(f"@job: max_retries is a whole number from 0, not {max_retries!r}")
    if concurrency is not None and (not _is_whole(concurrency) or concurrency < 1):
        raise ConfigError(f"@job: concurrency is a whole number from 1, not {concurrency!r}")
    if not _are_exceptions(retry_for):
        raise ConfigError(f"@job: retry_for is a tuple of exception classes, not {retry_for!r}")
    if not _is_duration(time_limit):
        raise ConfigError(f"@job: time_limit is in seconds, above 0, not {time_limit!r}")
    if soft_time_limit is not None and not (
        _is_duration(soft_time_limit) and soft_time_limit < time_limit
    ):
        raise ConfigError(
            f"@job: soft_time_limit is in seconds and below time_limit, not {soft_time_limit!r}"
        )
    if queue in _RESERVED_QUEUES or not _QUEUE.fullmatch(queue):
        raise ConfigError(f"@job: {queue!r} cannot be the queue of a job")


def _is_whole(count: object) -> bool:
    return isinstance(count, int) and not isinstance(count, bool)


def _is_duration(seconds: object) -> bool:
    return (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0 < seconds < math.inf
    )


def _are_exceptions(classes: object) -> bool:
    return isinstance(classes, tuple) and all(
        isinstance(each, type) and issubclass(each, BaseException) for each in classes
    )
