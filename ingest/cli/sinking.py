"""The HTTP side of ``hookkeeper sink``: print a delivery, answer as told."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from ingest.cli import output

_READ_SECONDS = 30


@dataclass
class Answers:
    """``status`` for every delivery, after 500 for the first ``fail``."""

    status: int
    fail: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> int:
        """The status of the next answer."""
        with self._lock:
            if self.fail > 0:
                self.fail -= 1
                return 500
            return self.status


def handler(answers: Answers, *, as_json: bool) -> type[BaseHTTPRequestHandler]:
    """A request handler class that answers from ``answers``."""

    class SinkHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _READ_SECONDS

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status = answers.next()
            self._say(body, status)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in http.server
            """Nothing: every delivery is printed once, by ``_say``."""

        def _say(self, body: bytes, status: int) -> None:
            webhook_id = self.headers.get("webhook-id", "")
            if as_json:
                headers = list(self.headers.items())
                output.line(
                    {"path": self.path, "id": webhook_id, "headers": headers}
                    | {"body": body, "answered": status}
                )
                return
            kind = self.headers.get("content-type", "no content type")
            line = f"{webhook_id}  {self.path}  {len(body):,} bytes, {kind} -> {status}"
            print(output.printable(line), flush=True)

    return SinkHandler
