"""Transactions that have to be committed, however long the database is away."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from ingest import metrics
from ingest.errors import StoreUnavailable

logger = structlog.get_logger(__name__)

T = TypeVar("T")
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 3.0
_GIVE_UP_SECONDS = 10.0  # after the process was told to stop, with the database away


def insist(step: Callable[[], T], stopping: threading.Event) -> T | None:
    """Repeat a transaction until it is committed.

    None: this process is ``stopping`` and cannot wait any longer. Its lease will run out, and the
    scheduler gives back what it holds.
    """
    wait_seconds, give_up_at = _FIRST_WAIT_SECONDS, None
    while True:
        try:
            return step()
        except StoreUnavailable:
            metrics.RECORD_RETRIES.inc()
            if stopping.is_set():
                give_up_at = give_up_at or time.monotonic() + _GIVE_UP_SECONDS
                if time.monotonic() >= give_up_at:
                    logger.exception("claims.given_up")
                    return None
        time.sleep(wait_seconds)
        wait_seconds = min(_LONGEST_WAIT_SECONDS, wait_seconds * 2)
