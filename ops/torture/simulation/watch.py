"""Looks at the database after every step: what changed must be a transition that there is.

The words and arrows are those of design.md, "State machines". Reads by a connection of its own,
and only where another one has committed something.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ingest.jobs.states import ClaimedJob, Plan

Pair = tuple[str | None, str]

EVENT_ARROWS: frozenset[Pair] = frozenset(
    {
        (None, "stored"),
        ("stored", "dispatched"),
        ("stored", "unmatched"),
        ("dispatched", "stored"),  # a replay
        ("unmatched", "stored"),
    }
)
DELIVERY_ARROWS: frozenset[Pair] = frozenset(
    {
        (None, "waiting"),
        ("waiting", "running"),
        ("running", "waiting"),
        ("running", "succeeded"),
        ("running", "dead"),
        ("running", "quarantined"),
    }
)
JOB_ARROWS: frozenset[Pair] = frozenset(
    {
        (None, "pending"),
        ("pending", "started"),
        ("pending", "revoked"),
        ("started", "progress"),
        *((held, end) for held in ("started", "progress") for end in ("success", "failure")),
        *((held, end) for held in ("started", "progress") for end in ("revoked", "pending")),
    }
)
ENDED = frozenset({"succeeded", "dead", "quarantined", "cancelled"})
FINAL = frozenset({"success", "failure", "revoked"})
#: After how many crashes the last quarantines: if it was of its own child, and of its worker.
IN_A_CHILD, WITH_ITS_WORKER = 3, 10
#: What a simulated worker says of the end of a child; a scheduler says other things of a worker's.
CHILD_ENDED = "its child ended"


class Violated(AssertionError):
    """Something happened that must never happen."""


class EventSeen(NamedTuple):
    """An event as it is in the database."""

    state: str
    generation: int
    matched_generation: int | None


class Seen(NamedTuple):
    """A delivery or a job as it is in the database.

    ``said``: event, destination and generation of a delivery, the result of a job. ``why``: what
    its last start said, if it did not do what it is for.
    """

    state: str
    starts: int
    attempts: int
    crashes: int
    worker_id: str | None
    code: str | None
    said: str | None
    why: str | None


_EVENTS = "SELECT id, state, generation, matched_generation FROM events"
_DELIVERIES = (
    "SELECT id, state, starts, attempts, crashes, worker_id, last_code,"
    " event_id || '/' || destination || '/' || generation, last_message FROM deliveries"
)
_JOBS = (
    "SELECT id, state, starts, attempts, crashes, worker_id, error_code, result, error_message"
    " FROM jobs"
)


class Watch:
    """What was there after the last step, and what it was judged by."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._version = -1
        self.events: dict[str, EventSeen] = {}
        self.deliveries: dict[str, Seen] = {}
        self.jobs: dict[str, Seen] = {}
        #: Crashes that were written, by delivery and job: a job's own count may be forgiven.
        self.crashes: Counter[str] = Counter()
        #: Generations of events that were dispatched.
        self.dispatched: set[tuple[str, int]] = set()
        self._before: dict[str, list[str]] = {}
        self._on_failure: dict[str, list[str]] = {}

    def forget(self) -> None:
        """Begin with an empty database."""
        for kept in (self.events, self.deliveries, self.jobs, self.crashes, self._before):
            kept.clear()
        self._on_failure.clear()
        self.dispatched.clear()
        self._version = -1

    def learn(self, plan: Plan) -> None:
        """Note which job of a workflow waits for which."""
        for link in sorted(plan.links, key=lambda link: link.position):
            known = self._before if link.on == "success" else self._on_failure
            known.setdefault(link.after, []).append(link.before)

    def look(self) -> None:
        """Compare what is there with what was. Raises Violated."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return
        self._version = version
        self._connection.execute("BEGIN")
        events = {
            row[0]: EventSeen._make(row[1:]) for row in self._connection.execute(_EVENTS).fetchall()
        }
        deliveries = self._rows(_DELIVERIES)
        jobs = self._rows(_JOBS)
        self._connection.execute("COMMIT")
        self._compare_events(events)
        self._compare("delivery", self.deliveries, deliveries, DELIVERY_ARROWS)
        self._compare("job", self.jobs, jobs, JOB_ARROWS)
        self._check_starts(jobs)
        self.events, self.deliveries, self.jobs = events, deliveries, jobs

    def check_results(self, claimed: ClaimedJob) -> None:
        """A successor gets what all of its predecessors returned, in the workflow's order."""
        expected = [self.jobs[id_].said for id_ in self._before.get(claimed.id, ())]
        found = [one.result for one in claimed.results]
        if found != expected:
            raise Violated(f"job {claimed.kind} got {found} for results, not {expected}")

    def ended_deliveries(self) -> list[str]:
        """Return the deliveries that have ended."""
        return [id_ for id_, one in self.deliveries.items() if one.state in ENDED]

    def unended(self) -> int:
        """Count what is not at rest yet."""
        return (
            sum(one.state == "stored" for one in self.events.values())
            + sum(one.state not in ENDED for one in self.deliveries.values())
            + sum(one.state not in FINAL for one in self.jobs.values())
        )

    def next_wake(self) -> int | None:
        """Return the earliest time (ms) at which something is to be published."""
        tables = ("events", "deliveries", "jobs")
        query = " UNION ALL ".join(f"SELECT min(wake_at) AS at FROM {name}" for name in tables)
        found = self._connection.execute(f"SELECT min(at) FROM ({query})").fetchone()[0]
        return None if found is None else int(found)

    def held(self) -> bool:
        """Whether a worker holds anything."""
        return any(one.worker_id for rows in (self.deliveries, self.jobs) for one in rows.values())

    def predecessors(self, job_id: str) -> Sequence[str]:
        """Return the jobs whose success a job waits for."""
        return self._before.get(job_id, ())

    def failing(self, job_id: str) -> Sequence[str]:
        """Return the jobs whose failure a job waits for."""
        return self._on_failure.get(job_id, ())

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _rows(self, query: str) -> dict[str, Seen]:
        return {row[0]: Seen._make(row[1:]) for row in self._connection.execute(query)}

    def _compare_events(self, events: dict[str, EventSeen]) -> None:
        if gone := self.events.keys() - events.keys():
            raise Violated(f"{len(gone)} events are gone")
        for id_, now in events.items():
            before = self.events.get(id_)
            if before == now:
                continue
            pair = (before.state if before else None, now.state)
            again = pair == ("stored", "stored")  # replayed before it was dispatched
            if pair not in EVENT_ARROWS and not again and pair[0] != pair[1]:
                raise Violated(f"an event went from {pair[0]} to {pair[1]}")
            if pair[0] == "stored" and now.state != "stored":
                self.dispatched.add((id_, now.matched_generation or 0))

    def _compare(
        self, what: str, old: dict[str, Seen], new: dict[str, Seen], arrows: frozenset[Pair]
    ) -> None:
        if gone := old.keys() - new.keys():
            raise Violated(f"{len(gone)} of {what} are gone")
        for id_, now in new.items():
            before = old.get(id_)
            if before == now:
                continue
            state = before.state if before else None
            if state != now.state and (state, now.state) not in arrows:
                raise Violated(f"a {what} went from {state} to {now.state}")
            if state == now.state and before and before[1:6] != now[1:6]:
                raise Violated(f"a {what} that is {state} changed from {before} to {now}")
            self._check_counts(what, id_, before, now)

    def _check_counts(self, what: str, id_: str, before: Seen | None, now: Seen) -> None:
        """``starts = attempts + crashes``, plus one while a worker holds it: none is uncounted."""
        if now.starts != now.attempts + now.crashes + bool(now.worker_id):
            raise Violated(f"a {what} was started without being counted: {now}")
        crashed = before is not None and now.crashes > before.crashes
        if before is not None and crashed:
            self.crashes[id_] += now.crashes - before.crashes
        if _is_poison(now, crashed=crashed) != ("quarantined" in {now.state, now.code}):
            raise Violated(f"a {what} with {now.crashes} crashes is {now.state}: {now.why}")

    def _check_starts(self, jobs: dict[str, Seen]) -> None:
        """Nothing starts before what it waits for has ended as it should."""
        for id_, now in jobs.items():
            before = self.jobs.get(id_)
            if now.state != "started" or (before is not None and before.state == "started"):
                continue
            if any(jobs[one].state != "success" for one in self._before.get(id_, ())):
                raise Violated("a job started before its predecessors had succeeded")
            failing = self._on_failure.get(id_, ())
            if failing and not any(jobs[one].state == "failure" for one in failing):
                raise Violated("an errback started though nothing had failed")


def _is_poison(now: Seen, *, crashed: bool) -> bool:
    """Whether a start that ``crashed`` just now has to be the last: a child's or a worker's end."""
    in_child = now.why is not None and now.why.endswith(CHILD_ENDED)
    return crashed and now.crashes >= (IN_A_CHILD if in_child else WITH_ITS_WORKER)
