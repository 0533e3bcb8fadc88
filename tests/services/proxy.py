"""nginx and HAProxy of the distribution on free ports, with the configurations that we ship."""

import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.services.guardian import Guardian
from tests.services.mail import Certificate, make_certificate
from tests.services.ports import free_port
from tests.services.programs import find_program
from tests.waiting import wait_until

SHIPPED = Path(__file__).parents[2] / "ops" / "proxies"
_SYSTEM = (Path("/usr/sbin"),)
#: Everything of nginx that a site is a part of; one process, so that it can be ended as one.
_AROUND = """
daemon off;
master_process off;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/hookkeeper.conf;
}}
"""


@dataclass(frozen=True)
class Kind:
    """How one kind of proxy is started: ``write`` makes its files and says its command."""

    name: str
    package: str
    write: Callable[[Path, "Proxy"], Sequence[str]]


class Proxy:
    """One proxy with TLS in front of a receiver; a slow sender is waited for seconds, not ten."""

    def __init__(self, kind: Kind, behind: int) -> None:
        self.port = free_port()
        self.behind = behind
        self._folder = Path(tempfile.mkdtemp(prefix=f"hookkeeper-{kind.name}-"))
        self._guardian = Guardian(self._folder)
        self.certificate = make_certificate(self._folder)
        command = kind.write(self._folder, self)
        self._log = self._folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(find_program((kind.name,), _SYSTEM, kind.package)), *command],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guardian.watch(self._process.pid)
        self.context = ssl.create_default_context(cafile=self.certificate.file)
        wait_until(self._answers, timeout=30, describe=f"{kind.name} to answer")

    def close(self) -> None:
        """Stop for good and remove the folder."""
        self._process.kill()
        self._process.wait(timeout=20)
        self._guardian.dismiss()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True


def _nginx(folder: Path, proxy: Proxy) -> Sequence[str]:
    certificate = proxy.certificate
    site = shipped(
        "nginx.conf",
        ("server 127.0.0.1:8080", f"server 127.0.0.1:{proxy.behind}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{proxy.port} ssl"),
        ("/etc/ssl/hookkeeper.crt", str(certificate.file)),
        ("/etc/ssl/hookkeeper.key", str(certificate.key)),
        ("client_header_timeout 10s", "client_header_timeout 4s; keepalive_timeout 1s"),
        ("client_body_timeout 10s", "client_body_timeout 1s"),
    )
    (folder / "hookkeeper.conf").write_text(site)
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder))
    return ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def _haproxy(folder: Path, proxy: Proxy) -> Sequence[str]:
    both = folder / "hookkeeper.pem"
    certificate: Certificate = proxy.certificate
    both.write_bytes(certificate.file.read_bytes() + certificate.key.read_bytes())
    text = shipped(
        "haproxy.cfg",
        ("server hookkeeper 127.0.0.1:8080", f"server hookkeeper 127.0.0.1:{proxy.behind}"),
        ("bind :443", f"bind 127.0.0.1:{proxy.port}"),
        ("/etc/ssl/hookkeeper.pem", str(both)),
        ("timeout http-request 10s", "timeout http-request 4s"),
        ("timeout http-keep-alive 5s", "timeout http-keep-alive 1s"),
        ("timeout client 30s", "timeout client 5s"),
    )
    (folder / "haproxy.cfg").write_text(text)
    return ["-db", "-f", str(folder / "haproxy.cfg")]


def shipped(name: str, *changes: tuple[str, str]) -> str:
    """Read a configuration that we ship, with the addresses of a test; each must be in it."""
    text = (SHIPPED / name).read_text()
    for before, after in changes:
        assert before in text, f"{name} has no {before!r}"
        text = text.replace(before, after)
    return text


NGINX = Kind("nginx", "nginx-light", _nginx)
HAPROXY = Kind("haproxy", "haproxy", _haproxy)
