"""Load with an outside log: what was acknowledged is written down by the sender itself."""

import http.client
import json
import threading
import uuid
from types import TracebackType
from typing import Self

from tests.pipeline import SECRET, Pipeline, github_headers
from tests.waiting import wait_until

SENDERS = 4
#: How often each event is sent: the answers are the subject, and a repeated one costs the workers
#: nothing, which is most of what an event costs.
SENDINGS = 6


class Load:
    """A few senders that post signed events until told to stop, each a few times in a row.

    ``acknowledged`` holds the ids of every 2xx, taken down when the answer was read, ``answered``
    counts them. A refused connection, a 503 or a cut answer acknowledges nothing, and the sender
    simply goes on.
    ``secret`` signs whatever begins from now on.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.acknowledged: set[str] = set()
        self.answered = 0
        self.refused: list[str] = []
        self.secret = SECRET
        self._pipeline = pipeline
        self._counting = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]

    def __enter__(self) -> Self:
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
        for thread in self._threads:
            thread.join()

    def goes_on(self, requests: int = 20) -> None:
        """Wait until so many more are acknowledged."""
        wanted = self.answered + requests
        wait_until(lambda: self.answered >= wanted, timeout=60, describe="load goes on")

    def _send(self) -> None:
        while not self._stop.is_set():
            delivery = str(uuid.uuid4())
            body = json.dumps({"n": delivery}).encode()
            for _ in range(SENDINGS):
                self._post(body, delivery)
                # Some twenty a second from each sender: the faults are the subject, not the speed.
                if self._stop.wait(0.05):
                    return

    def _post(self, body: bytes, delivery: str) -> None:
        try:
            headers = github_headers(body, delivery=delivery, secret=self.secret)
            answer = self._pipeline.post("github", body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.refused.append(repr(error))
            return
        if answer.status in (200, 202):
            self.acknowledged.add(answer.id)
            with self._counting:
                self.answered += 1
        else:
            self.refused.append(f"{answer.status} {answer.headers.get('Retry-After', '')}")
