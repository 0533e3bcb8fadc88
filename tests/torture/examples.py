"""A flawless trial as it is written down, for tests that break one thing in it."""

from dataclasses import replace

from ops.torture.verdict import judge
from ops.torture.written import Answer, Delivery, Effect, Evidence, Expected, Send, Stored, Struck

ACCEPTED = 'hookkeeper_requests_total{outcome="accepted",source="github"}'
DUPLICATE = 'hookkeeper_requests_total{outcome="duplicate",source="github"}'


def answer(key: str, **changes: object) -> Answer:
    one = Answer(key=key, status=202, digest=f"d{key}", at=10.0, took=0.01, event_id=f"e{key}")
    return replace(one, **changes)  # type: ignore[arg-type]  # each test names real fields


def delivery(key: str, destination: str, **changes: object) -> Delivery:
    one = Delivery(f"e{key}", destination, "succeeded", failures=0, crashes=0)
    return replace(one, **changes)  # type: ignore[arg-type]  # likewise


def good(*keys: str) -> Evidence:
    """What is written down when all goes well: a fault is over after 5 s, all else comes later.

    The receiver was killed in it, so what it counted is no equation.
    """
    return Evidence(
        answers=[answer(key) for key in keys],
        stored=[Stored(f"e{key}", key, f"d{key}", "dispatched") for key in keys],
        deliveries=[delivery(key, to) for key in keys for to in ("sink", "keep")],
        sends=[Send(key, f"e{key}", f"d{key}") for key in keys],
        effects=[Effect(key, f"e{key}", at=11.0) for key in keys],
        strikes=[Struck("fault", 4.0, 5.0, resume_seconds=6.0)],
        receiver_killed=True,
        ledger={"delivery_missing": 0},
        depths={"deliver waiting": (0, 0)},
        counters={ACCEPTED: len(keys)},
        quiescent_seconds=3.0,
        healed_at=5.0,
        restarts=[2.0, 9.0],
    )


def broken(evidence: Evidence, expected: Expected | None = None) -> set[str]:
    """Say what a verdict finds."""
    verdict = judge(evidence, expected or Expected())
    return {f"{each.invariant} {each.what}" for each in verdict.violations}
