"""A destination that keeps every request it gets, and answers as a test scripts it."""

import socket
import ssl
import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.waiting import wait_until


@dataclass(frozen=True)
class Received:
    """One request, byte for byte; header names as sent, in their order."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of that name, whatever its case; "" where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


@dataclass(frozen=True)
class Answer:
    """What to say: after ``delay`` seconds, or with ``hang`` only after ``Sink.release()``."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay: float = 0.0
    hang: bool = False


class Sink:
    """An HTTP server in threads of this process, on 127.0.0.1; over TLS where told how."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._scripts: dict[str, list[Answer]] = defaultdict(list)
        self._released = threading.Event()
        self._closed = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.sink = self
        self._scheme = "https" if tls else "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="sink"
        )
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return self._server.accepted

    @property
    def open_connections(self) -> int:
        """How many of them are still open."""
        return self._server.open_connections

    def hang_up(self) -> None:
        """Close every connection, and return once they are."""
        self._server.break_connections()
        wait_until(lambda: not self.open_connections, describe="the connections to be closed")

    def url(self, path: str = "") -> str:
        """Return the URL of a path of this server."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def script(self, path: str, *answers: Answer) -> None:
        """Answer this path with these, in order; the last one stays. Default: an empty 200."""
        with self._lock:
            self._scripts[path] = list(answers)
            if any(answer.hang for answer in answers) and self._released.is_set():
                self._released = threading.Event()

    def release(self) -> None:
        """Let every hanging answer go, and those to come until a script hangs again."""
        self._released.set()

    def requests(self, path: str | None = None) -> list[Received]:
        """Return what came so far, in order, of one path or of all."""
        with self._lock:
            return [r for r in self._received if path is None or r.path == path]

    def wait_for(
        self, count: int, path: str | None = None, timeout: float = 30.0
    ) -> list[Received]:
        """Return the requests as soon as there are at least ``count`` (1 or more) of them."""
        wait_until(
            lambda: len(self.requests(path)) >= count,
            timeout=timeout,
            describe=f"{count} requests at the sink (path {path or 'any'})",
        )
        return self.requests(path)

    def close(self) -> None:
        """Stop, break what is open, and give back the port."""
        self._closed.set()
        self.release()
        self._server.shutdown()
        self._server.break_connections()
        self._server.server_close()
        self._thread.join()

    def take(self, request: Received) -> Answer:
        """Record a request and return its scripted answer, once that is due."""
        with self._lock:
            self._received.append(request)
            script = self._scripts[request.path]
            answer = script.pop(0) if len(script) > 1 else (script or [Answer()])[0]
            released = self._released
        if answer.delay:
            self._closed.wait(answer.delay)
        if answer.hang and not self._closed.is_set():
            released.wait()
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() joins them
    request_queue_size = 256
    sink: Sink

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.accepted = 0
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request_thread(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        with self.sink._lock:
            self.accepted += 1
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def break_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        request = Received(self.command, self.path, tuple(self.headers.items()), self._body())
        answer = self.server.sink.take(request)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in answer.headers):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_POST = do_GET = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - names of http.server

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Keep the test output clean; requests() has it all."""
