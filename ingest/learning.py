"""Secrets that a provider says in a handshake (Asana, Notion): what one is, and who may teach it.

Anybody can send such a handshake, and whoever's secret is believed can sign events. So a source
learns while it has no secret at all, and else only for the minutes that an operator opens
(``hookkeeper secrets learn``); each opening takes one secret.
"""

import enum
from typing import NamedTuple

#: Whoever sends more than this sends no secret (Asana's has 64 characters, Notion's about 60).
LONGEST_SECRET = 1_024


class LearnedState(enum.StrEnum):
    """``live -> retired``: nothing that it signs is believed any more."""

    LIVE = "live"
    RETIRED = "retired"


class LearnedSecret(NamedTuple):
    """One secret as it is stored. ``name`` as in ``Secret.name``; the value is encrypted."""

    source: str
    name: str
    value_encrypted: bytes
    learned_at: int


class Lesson(NamedTuple):
    """A secret on its way into the store. ``waiting``: its source has none that it could use."""

    secret: LearnedSecret
    waiting: bool
