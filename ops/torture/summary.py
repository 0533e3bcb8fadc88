"""Adds up the verdicts of a run; its last line is what a run says."""

from dataclasses import dataclass, field

from ops.torture.trial import Outcome
from ops.torture.verdict import percentile
from ops.torture.written import RESTART_P99_SECONDS

_ENOUGH_RESTARTS = 100


@dataclass(slots=True)
class Summary:
    """The sum of some trials; those that could not be finished are no clean ones.

    ``restarts``: each in seconds of a machine of its own, by the stretch of its own trial.
    """

    trials: int = 0
    failed: list[int] = field(default_factory=list)
    strikes: int = 0
    acknowledged: int = 0
    lost: int = 0
    committed: int = 0
    duplicated: int = 0
    sends: int = 0
    crashes: int = 0
    violations: int = 0
    quiescent: float = 0.0
    restarts: list[float] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether something was struck, all trials were clean, and killed work restarted soon."""
        return self.strikes > 0 and not self.failed and not self.slow

    @property
    def slow(self) -> bool:
        """Whether one restart in a hundred takes too long, where there are enough to say so."""
        enough = len(self.restarts) >= _ENOUGH_RESTARTS
        return enough and percentile(self.restarts, 0.99) > RESTART_P99_SECONDS

    def add(self, outcome: Outcome) -> None:
        """Count a trial."""
        verdict = outcome.verdict
        self.trials += 1
        self.strikes += len(outcome.struck)
        self.acknowledged += verdict.acknowledged
        self.lost += verdict.lost
        self.committed += verdict.committed
        self.duplicated += verdict.duplicated
        self.sends += verdict.sends
        self.crashes += verdict.crashes
        self.violations += sum(each.count for each in verdict.violations)
        self.restarts += [each / outcome.stretch for each in verdict.restarts]
        unknown = float("inf") if verdict.quiescent is None else verdict.quiescent
        self.quiescent = max(self.quiescent, unknown)
        if not verdict.clean:
            self.failed.append(outcome.plan.seed)

    def __str__(self) -> str:
        return (
            f"{self._word}: acknowledged {self.acknowledged:,}, "
            f"lost {self.lost:,}, committed effects {self.committed:,}, "
            f"duplicated {self.duplicated:,}, external sends {self.sends:,} "
            f"(crashes {self.crashes:,}), restart p99 {percentile(self.restarts, 0.99):.1f} s, "
            f"quiescent after {self.quiescent:.1f} s at most, violations {self.violations:,}, "
            f"strikes {self.strikes:,} in {self.trials:,} trials{self._reasons}"
        )

    @property
    def _word(self) -> str:
        if self.clean:
            return "clean"
        return "VIOLATED" if self.failed or self.slow else "NOTHING WAS STRUCK"

    @property
    def _reasons(self) -> str:
        late = f"; restarts over {RESTART_P99_SECONDS:g} s" if self.slow else ""
        return (f"; trials {', '.join(map(str, self.failed))}" if self.failed else "") + late
