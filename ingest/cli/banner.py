"""What ``up`` says when it is ready: where everything is, and two commands to try it with."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingest import __version__
from ingest.cli import output
from ingest.cli.console import LOOPBACK
from ingest.cli.redis_server import PrivateRedis
from ingest.config.settings import masked
from ingest.origin import origin
from ingest.samples import samples


def print_ready(
    facts: Mapping[str, Any],
    environ: Mapping[str, str],
    redis: PrivateRedis | None,
    *,
    as_json: bool,
) -> None:
    """Print the banner, or the same as one JSON line. ``facts``: of ``config check --json``."""
    receiver = origin(environ["HOOKKEEPER_HOST"], environ["HOOKKEEPER_PORT"])
    metrics = origin(environ["HOOKKEEPER_METRICS_HOST"], environ["HOOKKEEPER_METRICS_PORT"])
    console = origin(LOOPBACK, environ["HOOKKEEPER_CONSOLE_PORT"])
    broker = f"{redis.program}, private" if redis else masked(environ["HOOKKEEPER_BROKER_URL"])
    ready = {
        "ready": True,
        "receiver": receiver,
        "sources": {name: f"{receiver}/in/{name}" for name in facts["sources"]},
        "console": f"{console}/api/v1",
        "console_token": environ["HOOKKEEPER_CONSOLE_TOKEN"],
        "metrics": f"{metrics}/metrics",
        "database": masked(environ["HOOKKEEPER_DATABASE_URL"]),
        "broker": broker,
        "retention_days": facts["retention_days"],
        "exports": facts["exports"],
        "pid": os.getpid(),
    }
    if as_json:
        output.line(ready)
    else:
        print(_banner(ready, facts), flush=True)


def _banner(ready: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    rows = [("receiver", ready["receiver"])]
    for name, address in ready["sources"].items():
        rows.append(("source", f"{address}  ({facts['sources'][name]})"))
    rows.append(("console", f"{ready['console']}  (token: {_shown(ready['console_token'])})"))
    rows += [(name, ready[name]) for name in ("metrics", "database", "broker")]
    rows += [
        ("export", f"{_local(place)}  (what is new, by schedule)") for place in ready["exports"]
    ]
    days = ready["retention_days"]
    rows.append(("retention", f"events are deleted {days} days after receipt"))
    lines = [f"Hookkeeper {__version__} is ready. Ctrl-C stops it.", ""]
    lines += [f"  {name:<10} {value}" for name, value in rows]
    return "\n".join([*lines, "", *_try_it(facts["sources"]), ""])


def _shown(reference: str) -> str:
    """Where a secret is, as short as it can be said here."""
    kind, _, name = reference.partition(":")
    return f"file:{_local(name)}" if kind == "file" else reference


def _local(place: str) -> str:
    """A path as short as it can be said here."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else place


def _try_it(sources: Mapping[str, str]) -> list[str]:
    command = command_path()
    lines = ["Try it from another terminal, in this folder:"]
    provider, name = next(
        ((provider, samples(provider)[0]) for provider in sources.values() if samples(provider)),
        ("", ""),
    )
    if not sources:
        return ["No source is configured yet: `hookkeeper init --print` shows how."]
    if provider:
        name = "push" if "push" in samples(provider) else name
        lines.append(f"  {command} send {provider} {name}")
    return [*lines, f"  {command} events list"]


def command_path() -> str:
    """What to type for this installation's ``hookkeeper``."""
    beside = Path(sys.executable).with_name("hookkeeper")
    if not beside.exists():
        return f"{sys.executable} -m ingest.cli"
    if shutil.which("hookkeeper") == str(beside):
        return "hookkeeper"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)
