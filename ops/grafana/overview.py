"""The first dashboard to open: are the promises kept, and what is moving?"""

from ops.grafana.panels import GREEN, ORANGE, RED, Dashboard, Panel, Query, Row
from ops.grafana.queries import largest, per_second, quantile, select

SHED, LATE = "job:hookkeeper_shed:ratio_rate", "job:hookkeeper_late_starts:ratio_rate"
ALLOWED_SHED, ALLOWED_LATE = 0.001, 0.01  # as in ops/prometheus/rules/objectives.yml
FAST, STEADY = 14.4, 1.0  # burn rates that page, and that just use up the budget

_BUDGET = ((None, RED), (0.0, ORANGE), (0.25, GREEN))
_BURN = ((None, GREEN), (STEADY, ORANGE), (FAST, RED))
_NONE_ALLOWED = ((None, GREEN), (1.0, RED))


def _kept(record: str) -> tuple[Query, ...]:
    return (Query(f"1 - {select(f'{record}30d')}", "{{job}}"),)


def _left(record: str, allowed: float) -> tuple[Query, ...]:
    return (Query(f"1 - {select(f'{record}30d')} / {allowed}", "{{job}}"),)


def _burn(record: str, allowed: float) -> tuple[Query, ...]:
    return tuple(
        Query(f"{select(f'{record}{window}')} / {allowed}", f"over {window}")
        for window in ("5m", "1h", "6h", "3d")
    )


PROMISES = Row(
    "Promises",
    (
        Panel(
            "Broken promises",
            "Rows that break an invariant of the ledger. Anything but 0 is a defect.",
            "none",
            "HookkeeperInvariantViolation",
            (Query(f"max({select('hookkeeper_violations')})"),),
            kind="stat",
            width=4,
            height=5,
            steps=_NONE_ALLOWED,
        ),
        Panel(
            "Requests not refused by us, 30 days",
            "The share of requests not answered 503, 429 or 500. The objective is 99.9 %.",
            "percentunit",
            "HookkeeperAcceptBudgetSlowBurn",
            _kept(SHED),
            kind="stat",
            width=5,
            height=5,
            steps=((None, RED), (1 - ALLOWED_SHED, GREEN)),
            decimals=3,
        ),
        Panel(
            "Budget left: refusals",
            "How much is left of the 0.1 % that may be refused. Below 0 it is overdrawn.",
            "percentunit",
            "HookkeeperAcceptBudgetSlowBurn",
            _left(SHED, ALLOWED_SHED),
            kind="stat",
            width=5,
            height=5,
            steps=_BUDGET,
        ),
        Panel(
            "Deliveries started within 5 s, 30 days",
            "Counted from when a delivery was due. The objective is 99 %.",
            "percentunit",
            "HookkeeperStartBudgetSlowBurn",
            _kept(LATE),
            kind="stat",
            width=5,
            height=5,
            steps=((None, RED), (1 - ALLOWED_LATE, GREEN)),
            decimals=2,
        ),
        Panel(
            "Budget left: late starts",
            "How much is left of the 1 % that may start late. Below 0 it is overdrawn.",
            "percentunit",
            "HookkeeperStartBudgetSlowBurn",
            _left(LATE, ALLOWED_LATE),
            kind="stat",
            width=5,
            height=5,
            steps=_BUDGET,
        ),
        Panel(
            "Burn rate: refusals",
            "How many times faster than allowed the budget is used; 1 uses up just all of it.",
            "none",
            "HookkeeperAcceptBudgetFastBurn",
            _burn(SHED, ALLOWED_SHED),
            width=12,
            steps=_BURN,
        ),
        Panel(
            "Burn rate: late starts",
            "How many times faster than allowed the budget is used; 1 uses up just all of it.",
            "none",
            "HookkeeperStartBudgetFastBurn",
            _burn(LATE, ALLOWED_LATE),
            width=12,
            steps=_BURN,
        ),
    ),
)

FLOW = Row(
    "From sender to destination",
    (
        Panel(
            "Events and deliveries",
            "Events accepted, events routed, and attempts that succeeded. An event has as many "
            "deliveries as destinations, so the lines differ; they should move together.",
            "ops",
            "HookkeeperOldestPendingAge",
            (
                Query(per_second("hookkeeper_requests_total", 'outcome="accepted"'), "accepted"),
                Query(per_second("hookkeeper_dispatched_total"), "routed"),
                Query(per_second("hookkeeper_attempts_total", 'outcome="succeeded"'), "delivered"),
            ),
        ),
        Panel(
            "Received to delivered",
            "From the request to the first success, retries and their delays included.",
            "s",
            "HookkeeperDestinationFailing",
            tuple(
                Query(quantile(q, "hookkeeper_time_to_deliver_seconds"), f"p{round(q * 100)}")
                for q in (0.5, 0.95, 0.99)
            ),
        ),
        Panel(
            "Oldest that is due",
            "How long the oldest delivery or event has been due, by queue. Over 60 s pages.",
            "s",
            "HookkeeperOldestPendingAge",
            (Query(largest("hookkeeper_oldest_age_seconds", by=("queue",)), "{{queue}}"),),
            steps=((None, GREEN), (60.0, RED)),
        ),
        Panel(
            "Given up",
            "Deliveries that gave up (dead) or ended their process three times (quarantined) and "
            "were not replayed.",
            "none",
            "HookkeeperDeadLettersGrowing",
            (Query(largest("hookkeeper_dead_letters", by=("state",)), "{{state}}"),),
        ),
        Panel(
            "Database and broker",
            "Whether the scheduler of each machine reached them in its last round: 1 or 0.",
            "none",
            "HookkeeperDatabaseUnavailable",
            (Query(select("hookkeeper_dependency_up"), "{{dependency}} at {{instance}}"),),
            steps=((None, RED), (1.0, GREEN)),
        ),
        Panel(
            "Scheduler's last round",
            "Seconds since any scheduler finished a round; it takes two a second. Over 30 pages.",
            "s",
            "HookkeeperSchedulerSilent",
            (
                Query(
                    f"time() - max({select('hookkeeper_scheduler_tick_timestamp_seconds')})",
                    "seconds ago",
                ),
            ),
            steps=((None, GREEN), (30.0, RED)),
        ),
        Panel(
            "Versions",
            "Which versions run, and on how many machines.",
            "none",
            "HookkeeperScrapeMissing",
            (Query(f"count by (version) ({select('hookkeeper_build_info')})", "{{version}}"),),
            kind="stat",
            width=24,
            height=4,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="hookkeeper-overview",
    title="Hookkeeper: overview",
    description="Are the promises kept, and what is moving?",
    rows=(PROMISES, FLOW),
)
