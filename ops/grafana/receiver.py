"""What senders see: rates, errors and times by source, and what the receiver needs for it."""

from ops.grafana.panels import GREEN, RED, Choice, Dashboard, Panel, Query, Row
from ops.grafana.queries import mean, per_second, quantile, select, share

SOURCE = 'source=~"$source"'

REQUESTS = Row(
    "Requests",
    (
        Panel(
            "Requests by source",
            "All requests to /in/<source>. Those to a name that nobody configured are `unknown`.",
            "reqps",
            "HookkeeperSourceSilent",
            (Query(per_second("hookkeeper_received_total", SOURCE, ("source",)), "{{source}}"),),
        ),
        Panel(
            "How requests end",
            "accepted and duplicate: the event is stored. rejected: the sender's mistake. shed: "
            "refused for a cause of ours. handshake: a provider's question was answered.",
            "reqps",
            "HookkeeperAcceptBudgetFastBurn",
            (Query(per_second("hookkeeper_requests_total", SOURCE, ("outcome",)), "{{outcome}}"),),
        ),
        Panel(
            "Duplicates",
            "The share of proved requests that brought an event which was stored before. Providers "
            "repeat what they think was lost, so a rise follows slow answers.",
            "percentunit",
            "HookkeeperAcceptBudgetSlowBurn",
            (
                Query(
                    share(
                        "hookkeeper_requests_total",
                        'outcome="duplicate"',
                        f'{SOURCE}, outcome=~"accepted|duplicate"',
                        ("source",),
                    ),
                    "{{source}}",
                ),
            ),
        ),
        Panel(
            "Rejected: the sender's mistake",
            "By reason and source. Signatures that fail after a secret was changed show here.",
            "reqps",
            "HookkeeperSignatureFailures",
            (
                Query(
                    per_second("hookkeeper_rejected_total", SOURCE, ("source", "reason")),
                    "{{source}}: {{reason}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Shed: a cause of ours",
            "Answered 503, 429 or 500, by reason. The sender tries again; nothing is stored.",
            "reqps",
            "HookkeeperAcceptBudgetFastBurn",
            (Query(per_second("hookkeeper_shed_total", SOURCE, ("reason",)), "{{reason}}"),),
            width=12,
            steps=((None, GREEN), (1.0, RED)),
        ),
    ),
)

TIMES = Row(
    "Time and size",
    (
        Panel(
            "Request to answer",
            "Of accepted and duplicate events, the commit and its fsync included.",
            "s",
            "HookkeeperAcceptBudgetFastBurn",
            tuple(
                Query(quantile(q, "hookkeeper_ack_seconds", SOURCE), f"p{round(q * 100)}")
                for q in (0.5, 0.95, 0.99)
            ),
        ),
        Panel(
            "Request to answer, p99 by source",
            "Large bodies and slow senders show here, a slow disk shows in all sources.",
            "s",
            "HookkeeperAcceptBudgetFastBurn",
            (Query(quantile(0.99, "hookkeeper_ack_seconds", SOURCE, ("source",)), "{{source}}"),),
        ),
        Panel(
            "Time that the provider waits, p99 by source",
            "How much of the provider's deadline an answer takes, for sources whose provider "
            "documents one. Over 1 the provider has given up: it sends the event again.",
            "percentunit",
            "HookkeeperAnswersLate",
            (
                Query(
                    quantile(0.99, "hookkeeper_ack_deadline_ratio", SOURCE, ("source",)),
                    "{{source}}",
                ),
            ),
            steps=((None, GREEN), (0.5, RED)),
        ),
        Panel(
            "Bodies of accepted events",
            "Size of the bodies as they came.",
            "bytes",
            "HookkeeperDiskFilling",
            tuple(
                Query(quantile(q, "hookkeeper_body_bytes"), f"p{round(q * 100)}")
                for q in (0.5, 0.95)
            ),
        ),
        Panel(
            "Group commit",
            "One commit stores all events that came meanwhile. A p99 that rises means the disk.",
            "s",
            "HookkeeperDatabaseUnavailable",
            (
                Query(quantile(0.5, "hookkeeper_commit_seconds"), "p50"),
                Query(quantile(0.99, "hookkeeper_commit_seconds"), "p99"),
            ),
        ),
        Panel(
            "Events in a commit",
            "The mean. Many are well: it is how the receiver keeps up with a slow disk.",
            "none",
            "HookkeeperDatabaseUnavailable",
            (Query(mean("hookkeeper_commit_events"), "events"),),
        ),
        Panel(
            "In flight, and room on the disk",
            "Bytes of bodies being read or waiting for their commit; and what may still be written "
            "before the receiver refuses events.",
            "bytes",
            "HookkeeperDiskFilling",
            (
                Query(f"sum by (instance) ({select('hookkeeper_in_flight_bytes')})", "in flight"),
                Query(select("hookkeeper_disk_room_bytes"), "room at {{instance}}"),
            ),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="hookkeeper-receiver",
    title="Hookkeeper: receiver",
    description="What senders see, by source.",
    rows=(REQUESTS, TIMES),
    choices=(
        Choice("source", "Source", 'label_values(hookkeeper_received_total{job=~"$job"}, source)'),
    ),
)
