"""Adds up the verdicts of a run; its last line is what a run says."""

from dataclasses import dataclass, field

from ops.torture.trial import Outcome
from ops.torture.verdict import percentile

#: How soon the work of a killed process starts again, as the project promises.
RESTART_P99_SECONDS = 15.0
_ENOUGH_RESTARTS = 100


@dataclass(slots=True)
class Summary:
    """The sum of some trials; those that could not be finished are no clean ones."""

    trials: int = 0
    failed: list[int] = field(default_factory=list)
    acknowledged: int = 0
    lost: int = 0
    committed: int = 0
    duplicated: int = 0
    sends: int = 0
    crashes: int = 0
    violations: int = 0
    quiescent: float = 0.0
    restarts: list[float] = field(default_factory=list)
    stretch: float = 1.0

    @property
    def clean(self) -> bool:
        """Whether there were trials, all of them were clean, and killed work restarted soon."""
        return self.trials > 0 and not self.failed and not self.slow

    @property
    def slow(self) -> bool:
        """Whether one restart in a hundred takes too long, where there are enough to say so."""
        enough = len(self.restarts) >= _ENOUGH_RESTARTS
        return enough and percentile(self.restarts, 0.99) > RESTART_P99_SECONDS * self.stretch

    def add(self, outcome: Outcome) -> None:
        """Count a trial."""
        verdict = outcome.verdict
        self.trials += 1
        self.acknowledged += verdict.acknowledged
        self.lost += verdict.lost
        self.committed += verdict.committed
        self.duplicated += verdict.duplicated
        self.sends += verdict.sends
        self.crashes += verdict.crashes
        self.violations += sum(each.count for each in verdict.violations)
        self.restarts += verdict.restarts
        self.stretch = max(self.stretch, outcome.stretch)
        self.quiescent = max(self.quiescent, verdict.quiescent or float("inf"))
        if not verdict.clean:
            self.failed.append(outcome.plan.seed)

    def broken(self, seed: int) -> None:
        """Count a trial that could not be finished."""
        self.trials += 1
        self.failed.append(seed)

    def __str__(self) -> str:
        failed = f"; trials {', '.join(map(str, self.failed))}" if self.failed else ""
        return (
            f"{'clean' if self.clean else 'VIOLATED'}: acknowledged {self.acknowledged:,}, "
            f"lost {self.lost:,}, committed effects {self.committed:,}, "
            f"duplicated {self.duplicated:,}, external sends {self.sends:,} "
            f"(crashes {self.crashes:,}), restart p99 {percentile(self.restarts, 0.99):.1f} s, "
            f"quiescent after {self.quiescent:.1f} s at most, violations {self.violations:,}, "
            f"in {self.trials:,} trials{failed}"
        )
