"""Gathers what was written down during a trial: logs of senders and sink, effects, the database."""

import contextlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ingest.store import Database, ledger, open_database
from ingest.store.schema import AnyRow, attempts, deliveries, events, payloads
from ops.torture import handlers
from ops.torture.cluster.lives import Life
from ops.torture.stage import Stage
from ops.torture.verdict import Answer, Delivery, Effect, Evidence, Send, Stored

_RUNNING_OR_WAITING = ("waiting", "running")
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


def gather(
    stage: Stage, *, quiescent_seconds: float | None, healed_at: float, metrics: str
) -> Evidence:
    """Read every log and the whole database."""
    answers = [Answer(**row) for path in _logs(stage, "answers-*") for row in _lines(path)]
    sends = [
        Send(row["key"], row["webhook_id"], row["digest"])
        for row in _lines(stage.root / "sends.jsonl")
    ]
    with contextlib.closing(open_database(stage.database_url())) as database:
        return Evidence(
            answers=answers,
            stored=list(_stored(database)),
            deliveries=list(_deliveries(database, stage)),
            sends=sends,
            effects=list(_effects(stage.pipeline.folder / "effects.db")),
            ledger=ledger.violations(database),
            depths=dict(_depths(metrics, database)),
            integrity=_integrity(stage),
            quiescent_seconds=quiescent_seconds,
            healed_at=healed_at,
            restarts=list(_restarts(database, stage)),
        )


def counts_agree(stage: Stage, metrics: str) -> bool:
    """Whether the gauges say what the database has."""
    with contextlib.closing(open_database(stage.database_url())) as database:
        return all(ours == sql for _, (ours, sql) in _depths(metrics, database))


def poisoned(stage: Stage, answers: Iterable[Answer]) -> frozenset[str]:
    """The keys that were sent to do harm."""
    keys = {one.key for one in answers}
    return frozenset(key for key in keys if key.startswith(tuple(stage.poison) or ("\0",)))


def _logs(stage: Stage, pattern: str) -> list[Path]:
    return sorted(stage.root.glob(f"{pattern}.jsonl"))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines() if path.exists() else []:
        yield json.loads(line)


def _stored(database: Database) -> Iterator[Stored]:
    columns = (events.c.id, events.c.state, payloads.c.body, payloads.c.body_sha256)
    joined = select(*columns).join_from(events, payloads, events.c.id == payloads.c.event_id)
    with database.read() as tx:
        for row in tx.execute(joined):
            key = json.loads(row.body)["key"]
            yield Stored(row.id, key, bytes(row.body_sha256).hex(), row.state)


def _deliveries(database: Database, stage: Stage) -> Iterator[Delivery]:
    struck = _times(stage, lambda life: life.struck)
    columns = ("delivery_id", "code", "worker_id", "started_at", "finished_at")
    failed = select(*(attempts.c[name] for name in columns)).where(
        attempts.c.outcome != "succeeded"
    )
    with database.read() as tx:
        found = tx.execute(failed).all()
        failures = Counter(row.delivery_id for row in found)
        killed = Counter(row.delivery_id for row in found if _died_of(row, struck))
        for row in tx.execute(select(deliveries)):
            yield Delivery(
                row.event_id,
                row.destination,
                row.state,
                failures[row.id],
                row.crashes,
                row.wake_at is not None,
                killed[row.id],
            )


def _effects(path: Path) -> Iterator[Effect]:
    with contextlib.closing(handlers.connect(path)) as effects:
        for row in effects.execute("SELECT key, event_id, at FROM effects"):
            yield Effect(*row)


def _depths(metrics: str, database: Database) -> Iterator[tuple[str, tuple[int, int]]]:
    """What the gauges say, and what the database does, of each queue that is not empty."""
    told: dict[str, int] = defaultdict(int)
    for line in metrics.splitlines():
        if line.startswith(("hookkeeper_depth{", "hookkeeper_violations{")):
            name, _, value = line.rpartition(" ")
            told[name] += int(float(value))
    counted: Mapping[str, int] = {
        f'hookkeeper_depth{{queue="{one.queue}",state="{one.state}"}}': one.count
        for one in ledger.depths(database)
    }
    for name in told.keys() | counted.keys():
        yield name, (told.get(name, 0), counted.get(name, 0))


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
