"""One request of a plan: what is sent when, by whom, and what has to be answered."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.signing import Composed, Credential
from ingest.simulator.senders import Sender
from ingest.verify.request import Request


class Day(enum.StrEnum):
    """What goes wrong. A plan mixes the days that it is asked for."""

    ORDINARY = "ordinary"  # nothing
    DUPLICATES = "duplicates"  # an event is sent two to four times
    REORDER = "reorder"  # events arrive in the reverse of their order
    BURST = "burst"  # twenty events at one moment
    STALE = "stale"  # old requests, genuinely signed when they were made
    ROTATION = "rotation"  # signed with each of the source's secrets, ended ones too
    RETRIES = "retries"  # answers are lost, so the provider sends again by its schedule
    FORGED = "forged"  # another secret, a changed body, no signature


class Expected(enum.StrEnum):
    """What has to become of an event, however often it is sent."""

    ONCE = "once"  # accepted once, and a duplicate every other time
    EACH = "each"  # accepted every time: nothing tells that it is the same
    NEVER = "never"  # refused


@dataclass(frozen=True, slots=True)
class Planned:
    """One sending of an event.

    ``event`` numbers the events of the plan from 0; sendings of one event share it. ``at`` is in
    seconds after the start. The sender waits ``deadline`` seconds for the answer; without a 2xx it
    sends again after each of ``waits`` (seconds, from answer to sending), and does so as well
    after the first ``lost`` answers, whatever they were. ``reasons``: the codes with which it may
    be refused, where ``expected`` is ``NEVER``.
    """

    event: int
    at: float
    day: Day
    sender: Sender
    composed: Composed = field(repr=False)
    credential: Credential
    expected: Expected
    deadline: float
    reasons: frozenset[str] = frozenset()
    waits: tuple[float, ...] = ()
    lost: int = 0
    age: int = 0
    forge: Callable[[Request], Request] | None = None

    def request(self, now: int) -> Request:
        """Sign it for being sent at ``now`` (ms): anew for every sending, as providers do.

        The event's own time, id and body stay. ``request.url`` has what was signed; post it to the
        receiver's address with that path and query.
        """
        made = self.sender.sign(self.composed, now - self.age, self.credential)
        return self.forge(made) if self.forge is not None else made
