"""``hookkeeper worker`` and ``scheduler``: become the process that does the work."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

#: dramatiq halves what it is asked for (research/jobs.md fact 12): jobs get 20 s to finish.
_SHUTDOWN_MS = 40_000
#: dramatiq's master hears no signal while its worker boots, which may wait for the database.
_FORK_MS = 1_000


def worker(
    threads: Annotated[int | None, typer.Option(help="Jobs at the same time.", min=1)] = None,
    queues: Annotated[
        list[str] | None, typer.Option("--queue", help="Only this queue; may be repeated.")
    ] = None,
) -> None:
    """Run one worker process.

    It is `dramatiq actors` with our settings. Handlers are imported from the folder in which it
    is started.
    """
    from ingest.config.settings import load_settings

    settings = load_settings(os.environ, Path.cwd())
    count = threads or settings.threads
    argv = [sys.executable, "-m", "dramatiq", "actors", "--processes", "1"]
    argv += ["--threads", str(count), "--worker-shutdown-timeout", str(_SHUTDOWN_MS)]
    argv += ["--worker-fork-timeout", str(_FORK_MS)]
    argv += ["--skip-logging"]  # lines are ours, in our shape
    if queues:
        argv += ["--queues", *queues]
    environ = {**_tuned(count), **os.environ, "HOOKKEEPER_THREADS": str(count)}
    os.execve(sys.executable, argv, environ)  # noqa: S606  no shell is wanted


def _tuned(threads: int) -> dict[str, str]:
    """Variables of dramatiq's own (research/jobs.md §1.2); whoever set one knows better."""
    return {
        # In-progress messages count, so less than the threads would idle some of them; much more
        # would hold work hostage that another process could do.
        "dramatiq_queue_prefetch": str(2 * threads),
        "dramatiq_delay_queue_prefetch": "1",  # nothing is ever delayed in the broker
        "dramatiq_restart_delay": "1000",  # after a Redis outage, consumers are back in a second
    }


def scheduler() -> None:
    """Run the scheduler.

    It brings back due retries and the work of dead processes, and prunes. Any number may run.
    """
    os.execv(sys.executable, [sys.executable, "-m", "actors.scheduler"])  # noqa: S606  no shell is wanted
