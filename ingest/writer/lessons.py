"""The writer's part in learned secrets: stores new ones, and tells the receiver of all.

What another receiver's writer, or an operator, has changed is told within a second; so is what it
learned itself, at once.
"""

import time

import structlog

from ingest.errors import HookkeeperError, RowRejected, StoreUnavailable
from ingest.events import Accepted
from ingest.learning import Lesson
from ingest.store import Database
from ingest.store.learned_secrets import learn, live, open_sources
from ingest.writer.socket_end import WriterEnd
from ingest.writer.wire import Learned, Outcome

logger = structlog.get_logger(__name__)

_SECONDS = 1.0


class Lessons:
    """For one receiver."""

    def __init__(self, end: WriterEnd) -> None:
        self._end = end
        self._told = Learned([], [])
        self._look_at = 0.0

    def learn(self, database: Database | None, lesson: Lesson) -> Outcome:
        """Store a secret if its source may learn now, and tell the receiver before its answer."""
        if database is None:
            return StoreUnavailable("the database is away")
        try:
            learned = learn(database, lesson)
        except HookkeeperError as error:
            return StoreUnavailable(str(error))
        except Exception as error:
            logger.exception("secret.not_learned", source=lesson.secret.source)
            return StoreUnavailable(type(error).__name__)
        if not learned:
            return RowRejected("the source has a secret, and nobody opened it for another")
        self._look_at = 0.0
        self.refresh(database)
        return Accepted(lesson.secret.name)

    def refresh(self, database: Database | None) -> None:
        """Look for changes, once a second."""
        now = time.monotonic()
        if database is None or now < self._look_at:
            return
        self._look_at = now + _SECONDS
        try:
            found = Learned(live(database), open_sources(database))
        except HookkeeperError:  # it is away, which others notice and tell
            return
        except Exception:
            logger.exception("secrets.not_read")
            return
        if found != self._told:
            self._told = found
            self._end.teach(found)
