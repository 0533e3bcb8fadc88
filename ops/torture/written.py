"""What is written down during a trial, outside and by Hookkeeper, and what is expected. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: As in ingest/lifecycle.py, of which nothing is believed here.
LOSSES_TO_QUARANTINE = 10
#: How soon the work of a killed process starts again, as the project promises.
RESTART_P99_SECONDS = 15.0
RESTART_MOST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One request as its sender saw it. ``key`` names the event, over all its repetitions.

    ``status``: 0 where no whole answer came. ``genuine``: rightly signed. Times in seconds.
    """

    key: str
    status: int
    digest: str
    at: float
    took: float
    event_id: str = ""
    duplicate: bool = False
    genuine: bool = True

    @property
    def acknowledged(self) -> bool:
        """Whether it claims that the event is kept."""
        return self.status in (200, 202)


@dataclass(frozen=True, slots=True)
class Stored:
    """One event as the database has it."""

    event_id: str
    key: str
    digest: str
    state: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as the database has it. ``failures``: attempts that did not succeed.

    Of them: ``unsent``, those that cannot have sent a byte; ``own_crashes``, those that ended the
    process that they had to themselves; ``struck``, those that ended because we killed the worker.
    """

    event_id: str
    destination: str
    state: str
    failures: int
    crashes: int
    awake: bool = False  # it waits, with a wake time
    struck: int = 0
    unsent: int = 0
    own_crashes: int = 0

    @property
    def excused(self) -> bool:
        """Whether it was killed with its worker so often that it has to pass for poison."""
        return self.state == "quarantined" and self.struck >= LOSSES_TO_QUARANTINE


@dataclass(frozen=True, slots=True)
class Send:
    """One request as the sink saw it, however it was answered."""

    key: str
    webhook_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Effect:
    """One committed effect in the handlers' own database, and when (seconds)."""

    key: str
    event_id: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was struck: when it began and when it was over.

    ``resume_seconds``: how soon after it an event has to be accepted. ``spares_receiver``: the
    receiver has to live through it.
    """

    fault: str
    began_at: float
    healed_at: float
    resume_seconds: float | None = None
    spares_receiver: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a run has to come to besides the invariants.

    ``destinations``: every event goes to each. ``poison``: keys that must be given up by
    ``handler``, and what it does instead of handling them (misdeeds.py). ``refusals``: whether a
    sender may be refused at all.
    ``stretch``: how many times as long as on a machine of its own everything may take.
    """

    destinations: frozenset[str] = frozenset({"sink", "keep"})
    external: str = "sink"
    handler: str = "keep"
    poison: Mapping[str, str] = field(default_factory=dict)
    refusals: bool = True
    work_seconds: float = 30.0
    quiescent_seconds: float = 60.0
    restart_seconds: float = RESTART_MOST_SECONDS
    stretch: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was written down. ``healed_at``: when the last fault was over; 0: unknown.

    ``begins``: when each fault began, and those that struck nothing after all.
    ``given_up``: senders that had something to send to the last. ``counters``: what the metrics
    counted in the end, by name and labels; ``went_back``: those that were higher before.
    """

    answers: Sequence[Answer] = ()
    stored: Sequence[Stored] = ()
    deliveries: Sequence[Delivery] = ()
    sends: Sequence[Send] = ()
    effects: Sequence[Effect] = ()
    given_up: Sequence[str] = ()
    strikes: Sequence[Struck] = ()
    begins: Sequence[float] = ()
    receiver_deaths: Sequence[float] = ()
    receiver_killed: bool = False  # by us
    ledger: Mapping[str, int] = field(default_factory=dict)
    depths: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # by metrics, by SQL
    counters: Mapping[str, float] = field(default_factory=dict)
    went_back: Sequence[str] = ()
    integrity: str = "ok"
    quiescent_seconds: float | None = None
    healed_at: float = 0.0
    restarts: Sequence[float] = ()
