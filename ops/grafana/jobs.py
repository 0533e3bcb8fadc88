"""Background jobs by kind: how many, how they end, how long they wait and take."""

from ops.grafana.panels import GREEN, RED, Choice, Dashboard, Panel, Query, Row
from ops.grafana.queries import largest, per_second, quantile, select, share

KIND = 'kind=~"$kind"'
_BY = ("kind",)

JOBS = Row(
    "Jobs",
    (
        Panel(
            "How starts end",
            "By the state that a start led to: success, failure (for good), revoked (cancelled), "
            "or pending (it will be tried again, or was paused).",
            "ops",
            "HookkeeperJobsFailing",
            (
                Query(
                    per_second("hookkeeper_jobs_total", KIND, ("kind", "status")),
                    "{{kind}}: {{status}}",
                ),
            ),
        ),
        Panel(
            "Share that did not succeed",
            "Of all starts of a kind; tries that are repeated count too.",
            "percentunit",
            "HookkeeperJobsFailing",
            (
                Query(
                    share("hookkeeper_jobs_total", 'status=~"pending|failure"', KIND, _BY),
                    "{{kind}}",
                ),
            ),
            steps=((None, GREEN), (0.5, RED)),
        ),
        Panel(
            "Failed for good in the chosen time",
            "By kind. Each one is a ticket.",
            "none",
            "HookkeeperJobsFailing",
            (
                Query(
                    "sum by (kind) (increase("
                    + select("hookkeeper_jobs_total", f'{KIND}, status="failure"')
                    + "[$__range]))",
                    "{{kind}}",
                ),
            ),
            kind="bargauge",
            steps=((None, GREEN), (1.0, RED)),
            decimals=0,
        ),
        Panel(
            "Waiting and running",
            "Jobs that may start (pending) and that a worker holds (started), by queue.",
            "none",
            "HookkeeperOldestPendingAge",
            (
                Query(
                    largest("hookkeeper_depth", 'state=~"pending|started"', by=("queue", "state")),
                    "{{queue}}: {{state}}",
                ),
            ),
        ),
        Panel(
            "Due to started",
            "How long jobs waited for a thread, 95th percentile.",
            "s",
            "HookkeeperOldestPendingAge",
            (Query(quantile(0.95, "hookkeeper_job_wait_seconds", KIND, _BY), "{{kind}}"),),
        ),
        Panel(
            "One start",
            "How long a start of a job took, 95th percentile, whatever came of it.",
            "s",
            "HookkeeperJobsFailing",
            (Query(quantile(0.95, "hookkeeper_job_duration_seconds", KIND, _BY), "{{kind}}"),),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="hookkeeper-jobs",
    title="Hookkeeper: jobs",
    description="Background jobs by kind.",
    rows=(JOBS,),
    choices=(Choice("kind", "Kind", 'label_values(hookkeeper_jobs_total{job=~"$job"}, kind)'),),
)
