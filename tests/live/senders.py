"""Honest senders on connections that they keep, and what each of their requests came to."""

import http.client
import json
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.waiting import wait_until


@dataclass
class Senders:
    """Post until told to stop, or until nobody listens any more; a context manager.

    ``broken``: requests on a connection that was open, and were not answered.
    """

    port: int
    number: int = 4
    path: str = "/in/open"
    acknowledged: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._send) for _ in range(self.number)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self.join()

    def wait_for(self, count: int) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= wanted, timeout=60, describe="events")

    def join(self) -> None:
        """Wait until every sender has ended."""
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.connect()
            except OSError:
                return
            try:
                self._send_on(connection)
            finally:
                connection.close()

    def _send_on(self, connection: http.client.HTTPConnection) -> None:
        """Until the server says that it closes."""
        while not self._stop.is_set():
            try:
                connection.request("POST", self.path, b"{}")
                answer = connection.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(repr(error))
                return
            if answer.status == 202:
                self.acknowledged.append(json.loads(said)["id"])
            else:
                self.refused.append(answer.status)
            if answer.will_close:
                return
            self._stop.wait(0.01)
