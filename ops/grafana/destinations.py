"""How each destination, an endpoint or a handler, takes what it is given."""

from ops.grafana.panels import GREEN, ORANGE, RED, Choice, Dashboard, Panel, Query, Row
from ops.grafana.queries import largest, per_second, quantile, select, share

DESTINATION = 'destination=~"$destination"'
_BY = ("destination",)

ATTEMPTS = Row(
    "Attempts",
    (
        Panel(
            "Attempts by destination",
            "Every try counts, retries too.",
            "ops",
            "HookkeeperDestinationFailing",
            (Query(per_second("hookkeeper_attempts_total", DESTINATION, _BY), "{{destination}}"),),
        ),
        Panel(
            "Failed share",
            "The share of attempts that did not succeed. Over a half for 15 minutes is a ticket.",
            "percentunit",
            "HookkeeperDestinationFailing",
            (
                Query(
                    share("hookkeeper_attempts_total", 'outcome!="succeeded"', DESTINATION, _BY),
                    "{{destination}}",
                ),
            ),
            steps=((None, GREEN), (0.5, RED)),
        ),
        Panel(
            "How attempts fail",
            "retryable: tried again. permanent: given up at once. timed_out: stopped at the limit. "
            "crashed: it took its process with it.",
            "ops",
            "HookkeeperDeadLettersGrowing",
            (
                Query(
                    per_second(
                        "hookkeeper_attempts_total",
                        f'{DESTINATION}, outcome!="succeeded"',
                        ("destination", "outcome"),
                    ),
                    "{{destination}}: {{outcome}}",
                ),
            ),
        ),
        Panel(
            "Most failures in the chosen time",
            "The ten destinations with the most failed attempts.",
            "none",
            "HookkeeperDestinationFailing",
            (
                Query(
                    "topk(10, sum by (destination) (increase("
                    + select("hookkeeper_attempts_total", f'{DESTINATION}, outcome!="succeeded"')
                    + "[$__range])))",
                    "{{destination}}",
                ),
            ),
            kind="bargauge",
            width=16,
            steps=((None, GREEN), (1.0, ORANGE)),
            decimals=0,
        ),
        Panel(
            "Given up",
            "Deliveries to all destinations that gave up and were not replayed.",
            "none",
            "HookkeeperQuarantined",
            (Query(largest("hookkeeper_dead_letters", by=("state",)), "{{state}}"),),
        ),
    ),
)

TIMES = Row(
    "Times",
    (
        Panel(
            "One attempt",
            "By destination, 95th percentile.",
            "s",
            "HookkeeperDestinationFailing",
            (
                Query(
                    quantile(0.95, "hookkeeper_attempt_seconds", DESTINATION, _BY),
                    "{{destination}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Received to delivered",
            "By destination, 95th percentile, retries and their delays included.",
            "s",
            "HookkeeperDestinationFailing",
            (
                Query(
                    quantile(0.95, "hookkeeper_time_to_deliver_seconds", DESTINATION, _BY),
                    "{{destination}}",
                ),
            ),
            width=12,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="hookkeeper-destinations",
    title="Hookkeeper: destinations",
    description="How each destination takes what it is given.",
    rows=(ATTEMPTS, TIMES),
    choices=(
        Choice(
            "destination",
            "Destination",
            'label_values(hookkeeper_attempts_total{job=~"$job"}, destination)',
        ),
    ),
)
