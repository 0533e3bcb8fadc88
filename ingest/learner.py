"""What a receiver does with a secret that came in a handshake."""

from collections.abc import Callable

import uuid_utils

from ingest.config.model import Source
from ingest.learning import LONGEST_SECRET, LearnedSecret, Lesson
from ingest.vault import Vault, known
from ingest.verify import Reason, Rejected
from ingest.verify.usable import usable

CLOSED = Rejected(
    Reason.LEARNING_CLOSED,
    "the handshake says a secret, but the source has one, and nobody opened it for another",
)
_UNUSABLE = Rejected(
    Reason.MALFORMED_SIGNATURE, "the secret in the handshake is not of this provider's form"
)


class Learner:
    """Judges what a handshake teaches, before the store decides whether it may.

    ``may_learn``: whether somebody opened a source. A flood of handshakes for one that is closed
    never reaches the writer, where each would be a commit of its own.
    """

    def __init__(self, vault: Vault, may_learn: Callable[[str], bool]) -> None:
        self._vault = vault
        self._may_learn = may_learn

    def lesson(self, source: Source, value: bytes, now: int) -> Lesson | Rejected | None:
        """What is to be stored; None where the source knows the secret. ``now`` in ms.

        A provider that missed our answer says the same secret again, and gets the same answer.
        """
        in_force = [secret for secret in source.secrets if not secret.expired(now)]
        if known(value, in_force):
            return None
        if len(value) > LONGEST_SECRET or not usable(source.provider, value):
            return _UNUSABLE
        waiting = not any(usable(source.provider, secret.value) for secret in in_force)
        if not waiting and not self._may_learn(source.name):
            return CLOSED
        return Lesson(self._locked(source, value, now), waiting)

    def _locked(self, source: Source, value: bytes, now: int) -> LearnedSecret:
        return self._vault.lock(source.name, f"learned:{uuid_utils.uuid7()}", value, now)
