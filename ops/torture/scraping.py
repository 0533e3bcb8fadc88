"""Reads the metrics of a trial again and again, as Prometheus would."""

import threading
from collections.abc import Callable
from typing import Self

from ops.torture.counting import Rising

_EVERY_SECONDS = 2.0


class Scraper:
    """Scrapes in a thread of its own. A context manager; what went back is told afterwards."""

    def __init__(self, scrape: Callable[[], str], every_seconds: float = _EVERY_SECONDS) -> None:
        self._scrape = scrape
        self._every_seconds = every_seconds
        self._rising = Rising()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scraper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def went_back(self) -> list[str]:
        """What each counter that was lower than before said then."""
        return list(self._rising.went_back.values())

    def see(self, metrics: str) -> None:
        """Compare metrics that somebody else has read, once the thread has ended."""
        if metrics:
            self._rising.see(metrics)

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            try:
                metrics = self._scrape()
            except OSError:
                continue  # who answered was struck; another one takes its place
            self._rising.see(metrics)
