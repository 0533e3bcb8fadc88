"""I7: whether metrics say what the database and the senders have, and never go back. Pure."""

from collections import Counter
from collections.abc import Iterable

from ops.torture.violations import Violation, violations
from ops.torture.written import Evidence

_REQUESTS = "hookkeeper_requests_total{"


def samples(metrics: str) -> dict[str, float]:
    """Read what Prometheus would: values by name and labels."""
    lines = (line.rpartition(" ") for line in metrics.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines if name}


def counters(metrics: str) -> dict[str, float]:
    """Read those that may only rise."""
    found = samples(metrics)
    return {name: found[name] for name in found if name.partition("{")[0].endswith("_total")}


class Rising:
    """Watches counters over many scrapes: each may only rise, and none may vanish."""

    def __init__(self) -> None:
        self._highest: dict[str, float] = {}
        self.went_back: dict[str, str] = {}  # the first time of each
        self.scrapes = 0

    def see(self, metrics: str) -> None:
        """Compare one scrape with those before it."""
        self.scrapes += 1
        now = counters(metrics)
        for name, before in self._highest.items():
            if now.get(name, 0.0) < before:
                said = f"{now[name]:g}" if name in now else "nothing"
                self.went_back.setdefault(name, f"{name}: {said} after {before:g}")
        for name, value in now.items():
            self._highest[name] = max(value, self._highest.get(name, 0.0))


def judge_counts(evidence: Evidence) -> list[Violation]:
    """Compare the metrics with the database once nothing moves, and with the senders' logs."""
    differ = [
        f"{name}: {ours} and {sql}" for name, (ours, sql) in evidence.depths.items() if ours != sql
    ]
    silent = [] if evidence.counters else ["no metrics"]
    counted = [] if evidence.receiver_killed or silent else _miscounted(evidence)
    return [
        *violations("I7", "metrics never answered", silent),
        *violations("I7", "metrics and database differ", differ),
        *violations("I7", "counters that went back", evidence.went_back),
        *violations("I7", "requests were miscounted", counted),
    ]


def _miscounted(evidence: Evidence) -> Iterable[str]:
    """Bounds of the receiver's counts; where every request got its answer, they are equations.

    Who got no answer does not know what became of the request, and an event may be stored though
    its sender was refused: the commit was late.
    """
    genuine = [one for one in evidence.answers if one.genuine]
    said = Counter(one.duplicate for one in genuine if one.acknowledged)
    first, acknowledged = said[False], said.total()
    unanswered = sum(one.status == 0 for one in genuine)
    refused = sum(not one.acknowledged for one in genuine)
    accepted, duplicate = _requests(evidence, "accepted"), _requests(evidence, "duplicate")
    stored = len(evidence.stored)
    if not first <= accepted <= stored <= accepted + refused:
        yield f"accepted {accepted:g}, stored {stored}, acknowledged as new {first}"
    if not acknowledged <= accepted + duplicate <= acknowledged + unanswered:
        yield f"accepted {accepted:g}, duplicate {duplicate:g}, acknowledged {acknowledged}"


def _requests(evidence: Evidence, outcome: str) -> float:
    return sum(
        value
        for name, value in evidence.counters.items()
        if name.startswith(_REQUESTS) and f'outcome="{outcome}"' in name
    )
