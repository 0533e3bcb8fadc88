"""The composition root of the workers: what ``dramatiq actors`` imports.

Builds the broker, its middleware and the actors from the settings. Nothing is connected or opened
here: configuration, handlers and database open when the worker boots. Each handler, destination
and job is a row in the database, so these five actors are all there are.
"""

import gc
import os
from pathlib import Path

import dramatiq

from ingest import exposition
from ingest.config.settings import Settings, load_settings
from ingest.errors import ConfigError
from ingest.queue import WakeBroker, build_broker


def compose(settings: Settings) -> WakeBroker:
    """Build a worker's broker with everything on it."""
    exposition.prepare(settings.data / "metrics")
    # Whatever counts is imported only now: prometheus_client reads its environment once.
    from actors import deliver, dispatch, jobs, notify, process  # noqa: PLC0415 - see above
    from actors.middleware.order import ordered  # noqa: PLC0415 - see above
    from actors.runtime import Runtime  # noqa: PLC0415 - see above

    runtime = Runtime(settings)
    built = build_broker(settings.broker_url, ordered(runtime))
    for actor in (dispatch, deliver, process, notify, jobs):
        actor.declare(built, runtime)
    return built


gc.disable()  # imports make no garbage, and to look for it is a seventh of the start
try:
    broker = compose(load_settings(os.environ, Path.cwd()))
except ConfigError as error:
    raise SystemExit(f"The worker does not start: {error}") from None
finally:
    gc.enable()
dramatiq.set_broker(broker)
