"""``hookkeeper restart``: every process of the running pipeline anew, refusing no request."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import os
from pathlib import Path
from typing import Any

from ingest.cli.output import Json

#: A worker may take 25 s to finish what it has begun, and a receiver a minute to start.
_PATIENCE_SECONDS = 600.0
_LOOK_SECONDS = 0.1


def restart(as_json: Json = False) -> None:
    """Restart the running pipeline, for new code or new settings.

    Checks the configuration, migrates the database, and then replaces one process after another:
    a receiver is ready before the old one is stopped, so no request is refused.
    """
    import signal
    import time

    from ingest.cli import output
    from ingest.cli.exits import CommandFailed, Exit
    from ingest.config.settings import load_settings, running_pipeline

    data = load_settings(os.environ, Path.cwd()).data
    before = running_pipeline(data)
    if before is None:
        raise CommandFailed(
            "no `hookkeeper up` runs in this folder. Processes that something else supervises are "
            "restarted there, one at a time.",
            Exit.UNREACHABLE,
        )
    os.kill(before["pid"], signal.SIGUSR1)
    # One that has begun already may know nothing of what this one is for: another one follows it.
    wanted = before["restarts"] + (2 if before.get("restarting") else 1)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    now: dict[str, Any] | None = before
    while now is not None and now["restarts"] < wanted:
        if time.monotonic() > deadline:
            raise CommandFailed("the pipeline still restarts; its log says how far it is.")
        time.sleep(_LOOK_SECONDS)
        now = running_pipeline(data)
    if now is None:
        raise CommandFailed("the pipeline was stopped meanwhile.", Exit.UNREACHABLE)
    if now["restart_failed"]:
        raise CommandFailed(f"not everything was restarted: {now['restart_failed']}")
    if as_json:
        output.document({"restarts": now["restarts"]})
    else:
        print("Every process was replaced; no request was refused.")
