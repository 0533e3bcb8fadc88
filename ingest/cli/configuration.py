"""``hookkeeper init`` and ``config check``: the file hookkeeper.toml."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.config.model import Config


def init(
    show: Annotated[bool, typer.Option("--print", help="Print it instead of writing it.")] = False,
    as_json: Json = False,
) -> None:
    """Write a hookkeeper.toml in which every key is explained. Never overwrites one."""
    from ingest.cli.demo import write_new
    from ingest.cli.located import located_settings
    from ingest.config.sample import commented_sample

    text = commented_sample()
    if show:
        print(text, end="")
        return
    target = located_settings().config_path
    if not write_new(target, text, mode=0o644):
        raise CommandFailed(
            f"{target} exists and was left as it is. `hookkeeper init --print` shows the sample."
        )
    if as_json:
        output.document({"written": str(target)})
    else:
        print(f"Wrote {target}. Everything in it is commented out: remove the # of what you need,")
        print("then run `hookkeeper config check` and `hookkeeper up`.")


def check(as_json: Json = False) -> None:
    """Say whether the configuration, its secrets and its handlers are right."""
    import os

    from ingest.cli.located import located_settings
    from ingest.cli.located_config import add_handlers_path
    from ingest.config.check import check as warnings_of
    from ingest.config.snapshot import Snapshot
    from ingest.verify import load_catalogue

    settings = located_settings()
    add_handlers_path()
    loaded = Snapshot(
        settings.config_path, os.environ, load_catalogue(), load_handlers=True
    ).current
    config, handlers = loaded.config, loaded.handlers
    warnings = warnings_of(config, handlers, int(time.time() * 1000))
    if not settings.config_path.exists():
        warnings.insert(0, f"{settings.config_path} does not exist: nothing is received")
    if as_json:
        output.document(
            {
                "file": str(settings.config_path),
                "sources": {name: each.provider.slug for name, each in config.sources.items()},
                "destinations": sorted(config.destinations),
                "handlers": sorted(handlers),
                "routes": len(config.routes),
                "retention_days": config.retention_days,
                "schedules": sorted({*config.schedules.active, *loaded.schedules}),
                "exports": _exports(config),
                "warnings": warnings,
            }
        )
        return
    print(
        f"{settings.config_path} is valid: {output.counted(len(config.sources), 'source')}, "
        f"{output.counted(len(config.destinations), 'destination')}, "
        f"{output.counted(len(config.routes), 'route')}, "
        f"{output.counted(len(handlers), 'handler')}; "
        f"events are kept {output.counted(config.retention_days, 'day')}."
    )
    for warning in warnings:
        print(f"warning: {warning}")


def _exports(config: "Config") -> list[str]:
    """Where schedules export to."""
    calls = [one.call for one in config.schedules.active.values()]
    return sorted({call.kwargs["to"] for call in calls if call.kind == "export"})
