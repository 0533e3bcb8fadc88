"""The composition root of the receiver: ``uvicorn --factory ingest.app:create_app``.

Metrics become shared before anything imports them (``ingest/exposition.py``), which is why
the parts are imported inside the function.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import exposition, logs
from ingest.config.settings import Settings, load_settings

if TYPE_CHECKING:
    from ingest.paths import Application
    from ingest.writer.spawning import Started

METRICS_FOLDER = "metrics"


def create_app(settings: Settings | None = None, early: "Started | None" = None) -> "Application":
    """Build the receiver. Raises ConfigError; a refused database shows when it is started.

    ``settings``: None reads HOOKKEEPER_* and what a running pipeline of this folder shares.
    ``early``: a writer that waits for its orders; without one the receiver starts its own.
    """
    settings = settings or load_settings(os.environ, Path.cwd())
    lines = logs.configure(settings.log_level, settings.log_format)
    metrics_folder = settings.data / METRICS_FOLDER
    shared = exposition.prepare(metrics_folder)

    from ingest.config.snapshot import Snapshot  # noqa: PLC0415 - after prepare, see above
    from ingest.paths import Application  # noqa: PLC0415 - likewise
    from ingest.reception import Reception  # noqa: PLC0415 - likewise
    from ingest.verify import load_catalogue  # noqa: PLC0415 - likewise

    snapshot = Snapshot(settings.config_path, os.environ, load_catalogue())
    folder = metrics_folder if shared else None
    return Application(Reception(settings, snapshot, folder, lines, early))
