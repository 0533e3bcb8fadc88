"""Runs the open-loop generator in a process of its own and reads what it wrote down."""

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.bench.figures import percentile
from ops.bench.hookkeeper import ROOT
from ops.bench.load import Load

_ACCEPTED = range(200, 300)
_REFUSED = (429, 503)
_FIRST_FAILURE = 400


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request. Times are milliseconds since the start; ``status`` 0: it was never answered."""

    due: float
    sent: float
    answered: float
    status: int
    has_retry_after: bool
    event_id: str

    @property
    def latency(self) -> float:
        """From the time at which it was due to its answer, in ms."""
        return self.answered - self.due

    @property
    def answer_time(self) -> float:
        """From the time at which it left to its answer, in ms: without the generator's queue."""
        return self.answered - self.sent

    @property
    def lateness(self) -> float:
        """How long it waited in the generator, in ms."""
        return self.sent - self.due

    @property
    def is_acknowledged(self) -> bool:
        """Whether the answer claims receipt."""
        return self.status in _ACCEPTED

    @property
    def is_refused(self) -> bool:
        """Whether it was turned away, to come again."""
        return self.status in _REFUSED


@dataclass(frozen=True, slots=True)
class Offer:
    """What came of an offered load. ``unsent`` found no free connection before the end."""

    outcomes: Sequence[Outcome]
    unsent: int
    seconds: float
    cpu_seconds: float
    started: float = 0.0  # on the monotonic clock

    @property
    def ended(self) -> float:
        """When its schedule was over, on the monotonic clock; answers may have come later."""
        return self.started + self.seconds

    @property
    def rate(self) -> float:
        """Requests that really left, a second."""
        return len(self.outcomes) / self.seconds

    @property
    def load(self) -> Load:
        """The same as closed-loop load is told; what was never sent is none of it."""
        answered = [outcome.status for outcome in self.outcomes if outcome.status]
        refused = sum(status >= _FIRST_FAILURE for status in answered)
        broken = len(self.outcomes) - len(answered)
        return Load(len(answered), refused, self.seconds, broken)

    @property
    def latencies(self) -> list[float]:
        """Each request's, in ms; endless for one that was not acknowledged or never left."""
        acknowledged = [o.latency for o in self.outcomes if o.is_acknowledged]
        return acknowledged + [math.inf] * self.failures

    @property
    def failures(self) -> int:
        """Requests that were not acknowledged, or never left."""
        return self.unsent + sum(not outcome.is_acknowledged for outcome in self.outcomes)

    def describe_generator(self) -> str:
        """Say whether the generator may have been the bottleneck."""
        late = percentile([outcome.lateness for outcome in self.outcomes], 99)
        share = 100 * self.cpu_seconds / self.seconds
        return f"the generator took {share:.0f} % of a core and was {late:.2f} ms late at its p99"


def command(
    url: str,
    rate: float,
    seconds: float,
    outcomes: Path,
    connections: int,
    *,
    even: bool = False,
    seed: int = 0,
    is_segmented: bool = False,
) -> list[str]:
    """Return the command that offers a load; it prints its totals when it ends."""
    words = [sys.executable, "-m", "ops.bench.generator", url, "--rate", str(rate)]
    words += ["--seconds", str(seconds), "--outcomes", str(outcomes)]
    words += ["--connections", str(connections), "--seed", str(seed)]
    words += ["--even"] if even else []
    return [*words, "--segmented"] if is_segmented else words


def offer(
    url: str,
    rate: float,
    seconds: float,
    folder: Path,
    connections: int = 128,
    *,
    seed: int = 0,
    is_segmented: bool = False,
) -> Offer:
    """Offer a load and wait for its end. Raises RuntimeError if the generator fails.

    ``seed``: which of all schedules; ``is_segmented``: each body comes after its head.
    """
    path = folder / "outcomes"
    words = command(url, rate, seconds, path, connections, seed=seed, is_segmented=is_segmented)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the generator failed: {done.stderr}")
    return read(path, done.stdout, seconds)


def read(path: Path, totals: str, seconds: float) -> Offer:
    """Read what a generator left behind: its file and the line that it printed."""
    said = json.loads(totals)
    with path.open() as lines:
        outcomes = list(parse(lines))
    return Offer(outcomes, int(said["unsent"]), seconds, said["cpu_seconds"], said["started"])


def parse(lines: Iterable[str]) -> Iterable[Outcome]:
    """Read the generator's lines."""
    for line in lines:
        due, sent, answered, status, retry, event_id = line.split()
        times = (int(due) / 1e3, int(sent) / 1e3, int(answered) / 1e3)
        yield Outcome(*times, int(status), retry == "1", event_id)
