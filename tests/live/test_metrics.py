"""Each process by itself: what it really shows to Prometheus is well named and well formed."""

import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.command import argv, environ
from tests.services.ports import free_port
from tests.services.prometheus import promtool
from tests.waiting import wait_until

pytestmark = pytest.mark.live

CONFIG = """
[sources.open]
provider = "none"
"""


def asked(url: str, body: bytes | None = None) -> bytes:
    """What an address answers; nothing as long as nobody does."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=5) as answer:
            return bytes(answer.read())
    except (OSError, urllib.error.URLError):
        return b""


@pytest.mark.parametrize(
    ("process", "own"),
    [
        ("web", "hookkeeper_received_total"),
        ("worker", "hookkeeper_worker_threads"),
        ("scheduler", "hookkeeper_scheduler_tick_timestamp_seconds"),
        ("console", "hookkeeper_console_requests_total"),
    ],
)
def test_the_metrics_of_each_process_are_well_named(
    process: str, own: str, tmp_path: Path, sqlite_url: str, redis_url: str
) -> None:
    (tmp_path / "hookkeeper.toml").write_text(CONFIG)
    port, console_port, metrics_port = free_port(), free_port(), free_port()
    settings = environ(
        HOOKKEEPER_DATABASE_URL=sqlite_url,
        HOOKKEEPER_BROKER_URL=redis_url,
        HOOKKEEPER_PORT=str(port),
        HOOKKEEPER_CONSOLE_PORT=str(console_port),
        HOOKKEEPER_METRICS_PORT=str(metrics_port),
        HOOKKEEPER_WORKERS="1",
    )
    own_series = re.compile(own.encode() + rb"[{ ]")
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(
            argv(process), cwd=tmp_path, env=settings, stdout=log, stderr=log
        )

    def shown() -> bytes:
        assert started.poll() is None, (tmp_path / "log").read_text()
        asked(f"http://127.0.0.1:{port}/in/open", b"{}")
        asked(f"http://127.0.0.1:{console_port}/livez")
        text = asked(f"http://127.0.0.1:{metrics_port}/metrics")
        return text if own_series.search(text) else b""

    try:
        text = wait_until(shown, timeout=30, describe=f"{own} of the {process}")
    finally:
        started.terminate()
        started.wait(timeout=30)

    assert b"hookkeeper_build_info{" in text
    assert promtool("check", "metrics", stdin=text) == (0, "")
