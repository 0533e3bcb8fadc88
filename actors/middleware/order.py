"""What surrounds every message and the life of a worker process, outermost first."""

from dramatiq import Middleware

from actors.middleware.boot import Boot
from actors.middleware.claims import Claims
from actors.middleware.job_claims import JobClaims
from actors.middleware.lease import Lease
from actors.middleware.loop import Loop
from actors.middleware.observe import Observe
from actors.middleware.resources import ResourceHooks
from actors.middleware.watch import Watch
from actors.runtime import Runtime


def ordered(runtime: Runtime) -> list[Middleware]:
    """Return the whole list; before-hooks run from the first to the last, after-hooks back.

    Resources come first, so that everything else may use them until the very end; limits come
    last, so that no hook is ever interrupted (research/jobs.md §5.10).
    """
    return [
        Boot(runtime),
        Loop(runtime),
        ResourceHooks(runtime),
        Watch(runtime),
        Lease(runtime),
        Observe(),
        Claims(runtime),
        JobClaims(runtime),
        runtime.limits,
    ]
