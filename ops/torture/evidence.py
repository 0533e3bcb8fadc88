"""Gathers what was written down during a trial: logs of senders and sink, effects, the database."""

import contextlib
import hashlib
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from ingest.store import Database, ledger, open_database
from ingest.store.schema import AnyRow, attempts, deliveries, events, payloads
from ops.torture import counting, handlers
from ops.torture.cluster.lives import Life
from ops.torture.stage import Stage
from ops.torture.written import Answer, Delivery, Effect, Evidence, Send, Stored

_COMPARED = ("hookkeeper_depth{", "hookkeeper_violations{", "hookkeeper_dead_letters{")
_RUNNING_OR_WAITING = ("waiting", "running")
_TAIL_BYTES = 1 << 16
_ROWS_AT_ONCE = 50  # bodies may be large
#: Codes of attempts that ended before a byte of the event had left (ingest/outbound.py).
_SENT_NOTHING = frozenset(
    {
        "bad_request",
        "bad_secret",
        "child_not_started",
        "connect_timeout",
        "connection_refused",
        "refused_address",
        "tls_error",
        "unknown_destination",
        "unknown_name",
    }
)
_LOST = "worker_lost"  # the code of an attempt whose worker died, as a scheduler records it


def is_quiescent(stage: Stage) -> bool:
    """Whether nothing waits and nothing runs. A database that is away is not quiescent."""
    try:
        with contextlib.closing(open_database(stage.database_url())) as database:
            return _is_quiescent(database)
    except Exception:  # noqa: BLE001 - away, starting, locked: it is asked again
        return False


def _is_quiescent(database: Database) -> bool:
    with database.read() as tx:
        stored = select(events.c.id).where(events.c.state == "stored").limit(1)
        busy = select(deliveries.c.id).where(deliveries.c.state.in_(_RUNNING_OR_WAITING)).limit(1)
        return tx.execute(stored).first() is None and tx.execute(busy).first() is None


def accepted_since(stage: Stage, moment: float) -> bool:
    """Whether the load had an event acknowledged since then."""
    with (stage.root / "answers-load.jsonl").open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = log.read().splitlines()[1:]
    answers = (Answer(**json.loads(line)) for line in lines if line.endswith(b"}"))
    return any(one.acknowledged and one.genuine and one.at >= moment for one in answers)


def gather(stage: Stage, metrics: str) -> Evidence:
    """Read every log and the whole database. ``metrics``: as they were read last."""
    answers = [Answer(**row) for path in _logs(stage, "answers-*") for row in _lines(path)]
    sends = [
        Send(row["key"], row["webhook_id"], row["digest"])
        for row in _lines(stage.root / "sends.jsonl")
    ]
    receiver = stage.pipeline.lives["web"]
    with contextlib.closing(open_database(stage.database_url())) as database:
        return Evidence(
            answers=answers,
            stored=list(stored_events(database)),
            deliveries=list(made_deliveries(database, _times(stage, lambda life: life.struck))),
            sends=sends,
            effects=list(_effects(stage.pipeline.folder / "effects.db")),
            given_up=[sending.name for sending in stage.sendings if sending.gave_up],
            receiver_deaths=list(receiver.deaths),
            receiver_killed=bool(receiver.struck),
            ledger=ledger.violations(database),
            depths=dict(_depths(metrics, database)),
            counters=counting.counters(metrics),
            integrity=_integrity(stage),
            restarts=list(_restarts(database, stage)),
        )


def counts_agree(stage: Stage, metrics: str) -> bool:
    """Whether the gauges say what the database has."""
    with contextlib.closing(open_database(stage.database_url())) as database:
        return all(ours == sql for _, (ours, sql) in _depths(metrics, database))


def poisoned(stage: Stage, answers: Iterable[Answer]) -> dict[str, str]:
    """The keys that were sent to do harm, and what each of them does."""
    return {
        one.key: do
        for one in answers
        for prefix, do in stage.poison.items()
        if one.key.startswith(prefix)
    }


def _logs(stage: Stage, pattern: str) -> list[Path]:
    return sorted(stage.root.glob(f"{pattern}.jsonl"))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines() if path.exists() else []:
        yield json.loads(line)


def stored_events(database: Database) -> Iterator[Stored]:
    """Read every event, with a digest that is made here of the body that is stored."""
    columns = (events.c.id, events.c.state, payloads.c.body)
    joined = select(*columns).join_from(events, payloads, events.c.id == payloads.c.event_id)
    with database.read() as tx:
        for row in tx.execution_options(yield_per=_ROWS_AT_ONCE).execute(joined):
            key = json.loads(row.body)["key"]
            yield Stored(row.id, key, hashlib.sha256(row.body).hexdigest(), row.state)


def made_deliveries(
    database: Database, struck: Mapping[str, Sequence[float]]
) -> Iterator[Delivery]:
    """Read every delivery. ``struck``: when each worker was killed by us, by its id."""
    names = ("delivery_id", "code", "outcome", "worker_id", "started_at", "finished_at")
    failed = select(*(attempts.c[name] for name in names)).where(attempts.c.outcome != "succeeded")
    with database.read() as tx:
        found: dict[str, list[AnyRow]] = defaultdict(list)
        for row in tx.execute(failed):
            found[row.delivery_id].append(row)
        for row in tx.execute(select(deliveries)):
            tried = found[row.id]
            crashed = [one for one in tried if one.outcome == "crashed"]
            yield Delivery(
                row.event_id,
                row.destination,
                row.state,
                len(tried),
                row.crashes,
                row.wake_at is not None,
                struck=sum(bool(_died_of(one, struck)) for one in crashed),
                unsent=sum(one.code in _SENT_NOTHING for one in tried),
                own_crashes=sum(one.code != _LOST for one in crashed),
            )


def _effects(path: Path) -> Iterator[Effect]:
    with contextlib.closing(handlers.connect(path)) as effects:
        for row in effects.execute("SELECT key, event_id, at FROM effects"):
            yield Effect(*row)


def _depths(metrics: str, database: Database) -> Iterator[tuple[str, tuple[int, int]]]:
    """What the gauges say, and what the database does, of each queue that is not empty."""
    told = {
        name: int(value)
        for name, value in counting.samples(metrics).items()
        if name.startswith(_COMPARED)
    }
    counted = {
        f'hookkeeper_depth{{queue="{one.queue}",state="{one.state}"}}': one.count
        for one in ledger.depths(database)
    } | {
        f'hookkeeper_dead_letters{{state="{state}"}}': count
        for state, count in _given_up(database).items()
    }
    for name in told.keys() | counted.keys():
        yield name, (told.get(name, 0), counted.get(name, 0))


def _given_up(database: Database) -> dict[str, int]:
    """Count what was given up; nothing is replayed in a trial."""
    wanted = deliveries.c.state.in_(("dead", "quarantined"))
    counted = select(deliveries.c.state, func.count().label("total")).where(wanted)
    with database.read() as tx:
        return {row.state: row.total for row in tx.execute(counted.group_by(deliveries.c.state))}


def _integrity(stage: Stage) -> str:
    if stage.postgres is not None:
        return "ok"  # its checksums and recovery are its own
    path = stage.database_folder / "hookkeeper.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def _restarts(database: Database, stage: Stage) -> Iterator[float]:
    """Seconds from a worker's death to the next start of the work that it held.

    A suspect's own child is no worker: its end is an outcome, and no scheduler has to notice it.
    """
    if stage.clocks_moved:
        return  # these times are of clocks that were an hour off
    deaths = _times(stage, lambda life: life.deaths)
    columns = ("delivery_id", "number", "code", "worker_id", "started_at", "finished_at")
    wanted = select(*(attempts.c[name] for name in columns))
    with database.read() as tx:
        ordered = wanted.order_by(attempts.c.delivery_id, attempts.c.number)
        rows = tx.execute(ordered).all()
    for row, after in pairwise(rows):
        times = _died_of(row, deaths)
        if times and after.delivery_id == row.delivery_id:
            yield after.started_at / 1000 - min(times)


def _died_of(row: AnyRow, times: Mapping[str, Sequence[float]]) -> list[float]:
    """At which of its worker's times an attempt was lost; none where it was not."""
    if row.code != _LOST:
        return []
    began, freed = row.started_at / 1000, row.finished_at / 1000
    return [at for at in times.get(row.worker_id, ()) if began <= at <= freed]


def _times(stage: Stage, of: Callable[[Life], list[float]]) -> dict[str, list[float]]:
    """Some times of each worker's life, by the worker's id, which its log tells."""
    found: dict[str, list[float]] = {}
    for life in stage.pipeline.workers():
        log = stage.pipeline.folder / f"{life.name}.log"
        for line in log.read_text(errors="replace").splitlines():
            if '"worker.started"' in line:
                found[json.loads(line)["worker_id"]] = of(life)
    return found
