"""A private Prometheus on a free port, and the program that checks its files."""

import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.services.guardian import Guardian
from tests.services.ports import free_port
from tests.services.programs import find_program
from tests.waiting import wait_until

#: Everything happens every second, so that a test sees in seconds what takes minutes otherwise.
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: hookkeeper
    static_configs: [{{targets: {targets}}}]
"""


def promtool(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run promtool; return its exit status and all that it said."""
    program = find_program(("promtool",), (), "prometheus")
    done = subprocess.run(
        [str(program), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=600,  # hours of series, on cores that others share: 20 s alone
    )
    return done.returncode, done.stdout.decode()


class PrometheusServer:
    """One server that scrapes some ports of 127.0.0.1 under the job name ``hookkeeper``."""

    def __init__(self, ports: Sequence[int], rules: Sequence[Path] = ()) -> None:
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="hookkeeper-prometheus-"))
        self._guardian = Guardian(self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        targets = [f"127.0.0.1:{port}" for port in ports]
        text = CONFIG.format(rules=json.dumps([str(path) for path in rules]), targets=targets)
        (self._folder / "prometheus.yml").write_text(text)

    def start(self) -> None:
        """Start, and wait until it answers."""
        program = find_program(("prometheus",), (), "prometheus")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(program),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guardian.watch(self._process.pid)
        wait_until(self._answers, timeout=30, describe="Prometheus to be ready")

    def close(self) -> None:
        """Stop for good and remove the folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=20)
            self._guardian.watch(0)
        self._guardian.dismiss()
        shutil.rmtree(self._folder, ignore_errors=True)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query; an expression that cannot be read fails."""
        asked = urllib.parse.urlencode({"query": expression})
        result = self._get(f"/api/v1/query?{asked}")["result"]
        assert isinstance(result, list)
        return result

    def rules(self) -> list[dict[str, Any]]:
        """Return every loaded rule, as Prometheus understood it."""
        groups = self._get("/api/v1/rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready"):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def _get(self, path: str) -> dict[str, Any]:
        address = f"http://127.0.0.1:{self._port}{path}"
        try:
            with urllib.request.urlopen(address, timeout=20) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from None
        assert answer["status"] == "success", answer
        data: dict[str, Any] = answer["data"]
        return data
