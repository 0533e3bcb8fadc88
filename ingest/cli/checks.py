"""Everything that ``doctor`` looks at, in the order in which one thing stands on another."""

import os
import shutil
import time
from collections.abc import Iterator

from ingest.cli import output
from ingest.cli.broker_checks import check_broker
from ingest.cli.console_checks import check_console
from ingest.cli.findings import Finding, fail, ok, warn
from ingest.cli.located import located_settings
from ingest.cli.located_config import add_handlers_path
from ingest.cli.store_checks import check_store
from ingest.config.check import check as warnings_of
from ingest.config.settings import Settings, running_pipeline
from ingest.config.snapshot import Snapshot
from ingest.errors import ConfigError
from ingest.verify import load_catalogue


def examine() -> list[Finding]:
    """Every finding. Raises ConfigError only for settings, without which nothing can be found."""
    settings = located_settings()
    return [
        ok("settings", _whereabouts(settings)),
        *_check_configuration(settings),
        *check_store(settings),
        *check_broker(settings.broker_url),
        *_check_console(settings),
        *_check_disk(settings),
    ]


def _whereabouts(settings: Settings) -> str:
    running = running_pipeline(settings.data)
    if running is None:
        return "valid; no `hookkeeper up` runs in this folder"
    return f"valid; `hookkeeper up` runs here as process {running.get('pid')}"


def _check_configuration(settings: Settings) -> Iterator[Finding]:
    name = "configuration"
    if not settings.config_path.exists():
        yield warn(
            name,
            f"{settings.config_path} does not exist: every request is answered 404",
            "Write one: hookkeeper init",
        )
        return
    add_handlers_path()
    try:
        loaded = Snapshot(
            settings.config_path, os.environ, load_catalogue(), load_handlers=True
        ).current
    except ConfigError as error:
        yield fail(
            name,
            str(error),
            "Correct it; running processes keep the configuration they started with.",
        )
        return
    found = {
        "source": loaded.config.sources,
        "destination": loaded.config.destinations,
        "handler": loaded.handlers,
    }
    counts = ", ".join(output.counted(len(each), word) for word, each in found.items())
    yield ok(name, f"valid: {counts}")
    for warning in warnings_of(loaded.config, loaded.handlers, int(time.time() * 1000)):
        yield warn(name, warning, "")


def _check_console(settings: Settings) -> Iterator[Finding]:
    """Where ``hookkeeper up`` runs there is one; elsewhere somebody may want none."""
    if running_pipeline(settings.data) is not None:
        yield from check_console(settings.console_port)


def _check_disk(settings: Settings) -> Iterator[Finding]:
    name = "disk"
    folder = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    shown = f"{free / 1e9:,.1f} GB free under {folder}"
    low = settings.disk_low_water
    if free < low:
        yield fail(
            name,
            f"{shown}, less than the low-water mark of {low / 1e9:,.1f} GB: every event is "
            "answered 503, and senders will try again",
            "Free some space, or lower HOOKKEEPER_DISK_LOW_WATER or the retention.",
        )
    elif free < 4 * low:
        yield warn(
            name,
            f"{shown}; below {low / 1e9:,.1f} GB the receiver answers 503",
            "Free some space, or lower the retention in hookkeeper.toml.",
        )
    else:
        yield ok(name, shown)
