"""What waits, how fast it moves, and whether there are enough threads for it."""

from ops.grafana.panels import GREEN, ORANGE, RED, Choice, Dashboard, Panel, Query, Row
from ops.grafana.queries import largest, per_second, quantile, select

QUEUE = 'queue=~"$queue"'

QUEUES = Row(
    "Queues",
    (
        Panel(
            "Waiting and running",
            "Rows by queue and state, counted in the database. A retry that is not yet due waits.",
            "none",
            "HookkeeperOldestPendingAge",
            (
                Query(
                    largest("hookkeeper_depth", QUEUE, by=("queue", "state")),
                    "{{queue}}: {{state}}",
                ),
            ),
        ),
        Panel(
            "Oldest that is due",
            "How long the oldest row has been due. Over 60 s pages.",
            "s",
            "HookkeeperOldestPendingAge",
            (Query(largest("hookkeeper_oldest_age_seconds", QUEUE, by=("queue",)), "{{queue}}"),),
            steps=((None, GREEN), (60.0, RED)),
        ),
        Panel(
            "Due to started",
            "How long deliveries waited for a thread, by queue, 99th percentile. The objective is "
            "5 s for 99 %.",
            "s",
            "HookkeeperStartBudgetFastBurn",
            (Query(quantile(0.99, "hookkeeper_wait_seconds", QUEUE, ("queue",)), "{{queue}}"),),
            steps=((None, GREEN), (5.0, ORANGE)),
        ),
        Panel(
            "Arriving and ending",
            "Events routed against attempts made. Where more arrive than end, the queue grows.",
            "ops",
            "HookkeeperOldestPendingAge",
            (
                Query(
                    per_second("hookkeeper_dispatched_total", by=("outcome",)), "events {{outcome}}"
                ),
                Query(per_second("hookkeeper_attempts_total"), "attempts"),
            ),
        ),
        Panel(
            "Published",
            "Ids handed to Redis (ok), or left to their wake time because it was away (failed).",
            "ops",
            "HookkeeperRedisUnavailable",
            (
                Query(
                    per_second("hookkeeper_published_total", QUEUE, ("queue", "outcome")),
                    "{{queue}}: {{outcome}}",
                ),
            ),
        ),
        Panel(
            "Published again",
            "Rows past their wake time. Retries do this, and so does a Redis that forgot.",
            "ops",
            "HookkeeperRedisUnavailable",
            (Query(per_second("hookkeeper_republished_total", QUEUE, ("queue",)), "{{queue}}"),),
        ),
    ),
)

WORKERS = Row(
    "Workers",
    (
        Panel(
            "Threads in use",
            "The share of all worker threads that have a message in hand. Near 100 % for long "
            "means: more workers, or a slow destination.",
            "percentunit",
            "HookkeeperStartBudgetFastBurn",
            (
                Query(
                    f"sum by (instance) ({select('hookkeeper_worker_threads_busy')})"
                    f" / sum by (instance) ({select('hookkeeper_worker_threads')})",
                    "{{instance}}",
                ),
            ),
            steps=((None, GREEN), (0.9, ORANGE)),
        ),
        Panel(
            "Threads",
            "Threads of the living worker processes, by machine. 0 pages.",
            "none",
            "HookkeeperNoWorkers",
            (Query(f"sum by (instance) ({select('hookkeeper_worker_threads')})", "{{instance}}"),),
        ),
        Panel(
            "Messages by actor",
            "A message holds up to 100 ids. `failed` is a fault of ours: see the log.",
            "ops",
            "HookkeeperOldestPendingAge",
            (
                Query(
                    per_second("hookkeeper_messages_total", by=("actor", "outcome")),
                    "{{actor}}: {{outcome}}",
                ),
            ),
        ),
        Panel(
            "Time of a message",
            "By actor, 95th percentile, claims and commits included.",
            "s",
            "HookkeeperStartBudgetFastBurn",
            (Query(quantile(0.95, "hookkeeper_message_seconds", by=("actor",)), "{{actor}}"),),
        ),
        Panel(
            "Taken back from dead workers",
            "Deliveries of processes whose lease ran out; they start again elsewhere.",
            "ops",
            "HookkeeperNoWorkers",
            (Query(per_second("hookkeeper_freed_total"), "deliveries"),),
        ),
        Panel(
            "Writes tried again",
            "Outcomes that had to wait because the database was away.",
            "ops",
            "HookkeeperDatabaseUnavailable",
            (Query(per_second("hookkeeper_record_retries_total"), "tries"),),
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="hookkeeper-workers",
    title="Hookkeeper: queues and workers",
    description="What waits, and who works on it.",
    rows=(QUEUES, WORKERS),
    choices=(Choice("queue", "Queue", 'label_values(hookkeeper_depth{job=~"$job"}, queue)'),),
)
