"""Every metric of Hookkeeper, by name. Labels are configured names and closed enums, never input.

Process state, created on import: a process that shares its metrics with its siblings calls
``exposition.prepare`` before anything imports this module. Imports nothing of ours.

Design promise 3, per process and source, at rest:
``received = accepted + duplicate + rejected + handshake + shed`` (``REQUESTS`` by ``outcome``).
A request to a source that is not configured counts under the source ``unknown``, and so does what
a connection refuses because it is no request (a bad head, one too slow or too many). Retention is
that of the metrics directory, not of a process.
"""

from bisect import bisect_left
from collections import Counter as Counted
from collections.abc import Sequence

from prometheus_client import Counter, Gauge
from prometheus_client import Histogram as PlainHistogram


class Histogram(PlainHistogram):
    """A histogram that takes a batch at once.

    An observation is two writes to a mapped file, 2 us each; a batch of a hundred has few buckets.
    """

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe each of them, by one write a bucket and one for their sum."""
        if not amounts:
            return
        self._sum.inc(sum(amounts))
        buckets = Counted(bisect_left(self._upper_bounds, one) for one in amounts)
        for bucket, count in buckets.items():
            self._buckets[bucket].inc(count)


#: The label of requests to sources that nobody configured; senders do not choose our labels.
UNKNOWN_SOURCE = "unknown"

_FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_WORK = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0)
_DAY = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)
_BYTES = (0, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 26214400)
_SHARE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)

# The receiver.
RECEIVED = Counter("hookkeeper_received", "Requests to /in/{source}, at their start.", ["source"])
REQUESTS = Counter(
    "hookkeeper_requests",
    "Requests by how they ended: accepted, duplicate, rejected, handshake or shed.",
    ["source", "outcome"],
)
REJECTED = Counter(
    "hookkeeper_rejected", "Requests that were the sender's mistake.", ["source", "reason"]
)
SHED = Counter(
    "hookkeeper_shed", "Requests answered 503 or 429 for a cause of ours.", ["source", "reason"]
)
ACK_SECONDS = Histogram(
    "hookkeeper_ack_seconds",
    "Request start to answer, for accepted and duplicate events.",
    ["source"],
    buckets=_FAST,
)
ACK_DEADLINE_RATIO = Histogram(
    "hookkeeper_ack_deadline_ratio",
    "The same as a share of the time that the source's provider waits, where that is documented.",
    ["source"],
    buckets=_SHARE,
)
BODY_BYTES = Histogram("hookkeeper_body_bytes", "Size of accepted bodies.", buckets=_BYTES)
IN_FLIGHT_BYTES = Gauge(
    "hookkeeper_in_flight_bytes",
    "Bytes of bodies being read or waiting for their commit.",
    multiprocess_mode="livesum",
)
DISK_ROOM_BYTES = Gauge(
    "hookkeeper_disk_room_bytes",
    "Bytes that may still be written before the receiver refuses events; negative: it does.",
    multiprocess_mode="mostrecent",
)
COMMIT_SECONDS = Histogram(
    "hookkeeper_commit_seconds", "One group commit of accepted events.", buckets=_FAST
)
COMMIT_EVENTS = Histogram("hookkeeper_commit_events", "Events in a group commit.", buckets=_BATCH)
REJECTED_KEPT = Counter(
    "hookkeeper_rejected_kept",
    "Requests that proved nothing, by whether they are kept, and if not, why.",
    ["source", "fate"],
)

# The wire.
PUBLISHED = Counter(
    "hookkeeper_published",
    "Ids handed to the broker (ok), or left to their wake time (failed).",
    ["queue", "outcome"],
)
REPUBLISHED = Counter(
    "hookkeeper_republished", "Ids past their wake time, published again.", ["queue"]
)

# The workers.
WORKER_THREADS = Gauge(
    "hookkeeper_worker_threads",
    "Threads of the living worker processes.",
    multiprocess_mode="livesum",
)
WORKER_THREADS_BUSY = Gauge(
    "hookkeeper_worker_threads_busy",
    "How many of them have a message in hand.",
    multiprocess_mode="livesum",
)
MESSAGES = Counter("hookkeeper_messages", "Messages processed.", ["actor", "outcome"])
MESSAGE_SECONDS = Histogram(
    "hookkeeper_message_seconds",
    "One message, claims and commits included.",
    ["actor"],
    buckets=_WORK,
)
DISPATCHED = Counter(
    "hookkeeper_dispatched", "Events routed: dispatched or unmatched.", ["source", "outcome"]
)
ATTEMPTS = Counter("hookkeeper_attempts", "Attempts by outcome.", ["destination", "outcome"])
ATTEMPT_SECONDS = Histogram(
    "hookkeeper_attempt_seconds", "One attempt of one delivery.", ["destination"], buckets=_WORK
)
WAIT_SECONDS = Histogram(
    "hookkeeper_wait_seconds",
    "Eligible to started; deliberate delay excluded.",
    ["queue"],
    buckets=_DAY,
)
TIME_TO_DELIVER_SECONDS = Histogram(
    "hookkeeper_time_to_deliver_seconds", "Received to succeeded.", ["destination"], buckets=_DAY
)
FREED = Counter("hookkeeper_freed", "Deliveries and jobs taken back from dead worker processes.")
RECORD_RETRIES = Counter(
    "hookkeeper_record_retries",
    "Outcomes written, or unconfirmed claims undone, again: the database was away.",
)

# Jobs. Kinds are configured names, and those that we bring.
JOBS = Counter(
    "hookkeeper_jobs",
    "Starts of jobs by the state that they led to, and jobs that were revoked before they started.",
    ["kind", "status"],
)
JOB_DURATION_SECONDS = Histogram(
    "hookkeeper_job_duration_seconds", "One start of one job.", ["kind"], buckets=_WORK
)
JOB_WAIT_SECONDS = Histogram(
    "hookkeeper_job_wait_seconds",
    "Eligible to started; deliberate delay excluded.",
    ["kind"],
    buckets=_DAY,
)

# The console.
CONSOLE_REQUESTS = Counter(
    "hookkeeper_console_requests",
    "Requests to the console by the operation that they were for.",
    ["operation", "status"],
)

# What the scheduler reads from the database; the newest writer on the host wins.
DEPTH = Gauge(
    "hookkeeper_depth",
    "Deliveries, events and jobs by state.",
    ["queue", "state"],
    multiprocess_mode="mostrecent",
)
OLDEST_AGE_SECONDS = Gauge(
    "hookkeeper_oldest_age_seconds",
    "Age of the oldest row that is due.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
DEAD_LETTERS = Gauge(
    "hookkeeper_dead_letters",
    "Deliveries that gave up and were not replayed.",
    ["state"],
    multiprocess_mode="mostrecent",
)
VIOLATIONS = Gauge(
    "hookkeeper_violations",
    "Rows that break an invariant of the ledger; must be 0.",
    ["invariant"],
    multiprocess_mode="mostrecent",
)
SCHEDULER_TICK_TIMESTAMP_SECONDS = Gauge(
    "hookkeeper_scheduler_tick_timestamp_seconds",
    "When a scheduler last finished a round.",
    multiprocess_mode="mostrecent",
)
DEPENDENCY_UP = Gauge(
    "hookkeeper_dependency_up",
    "Whether a scheduler reached the broker and the database in its last round: 1 or 0.",
    ["dependency"],
    multiprocess_mode="mostrecent",
)
BUILD_INFO = Gauge(
    "hookkeeper_build_info", "1 for each running version.", ["version"], multiprocess_mode="livemax"
)
