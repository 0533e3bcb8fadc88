"""What must be true once everything is quiet: the invariants of design.md and the torture's I1-I8.

The outside log is the truth; the database is what is judged.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.store import ledger
from ops.torture.simulation.outside import ROUTES
from ops.torture.simulation.watch import FINAL, Violated

if TYPE_CHECKING:
    from ops.torture.simulation.world import World


def judge(world: "World") -> None:
    """Compare the outside with the database. Raises Violated."""
    with sqlite3.connect(world.file) as connection:
        _nothing_is_lost(world, connection)
        _everything_is_routed_once(world, connection)
        _outcomes_are_their_own(world, connection)
    connection.close()
    _effects_are_bounded(world)
    _poison_is_isolated(world)
    _workflows_ended_as_they_should(world)
    broken = {name: count for name, count in ledger.violations(world.database).items() if count}
    if broken:
        raise Violated(f"the ledger counts {broken}")


def outcomes(world: "World") -> Iterator[str]:
    """Say in words what came of things: a simulation in which nothing happens proves nothing."""
    watch, outside = world.watch, world.outside
    yield from (f"event {one.state}" for one in watch.events.values())
    yield from ("event replayed" for one in watch.events.values() if one.generation)
    yield from (f"delivery {one.state}" for one in watch.deliveries.values())
    yield from (f"job {one.state}" for one in watch.jobs.values())
    yield from (f"job {one.code}" for one in watch.jobs.values())
    yield from ("a crash" for count in watch.crashes.values() if count)
    yield from ("a killed worker" for count in outside.killed.values() if count)
    yield from ("an effect twice" for count in outside.taken.values() if count > 1)


def _nothing_is_lost(world: "World", connection: sqlite3.Connection) -> None:
    """I1, and dedupe: what was acknowledged is stored, once, byte for byte, under that id."""
    rows = connection.execute(
        "SELECT provider_event_id, id, body FROM events JOIN payloads ON event_id = id"
    )
    stored: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for name, id_, body in rows:
        stored[name].append((id_, body))
    for name, found in stored.items():
        if len(found) != 1:
            raise Violated(f"{name} was sent several times and stored {len(found)} times")
    for sent in world.outside.sent:
        if not sent.acknowledged:
            continue
        found = stored.get(sent.provider_event_id, [])
        if [id_ for id_, _ in found] != sorted(sent.acknowledged):
            raise Violated("an acknowledged event is not stored under the id that was told")
        if found[0][1] != sent.body:
            raise Violated("an acknowledged event has another body")


def _everything_is_routed_once(world: "World", connection: sqlite3.Connection) -> None:
    """I2: one delivery per matched route and generation, all of them at an end."""
    types = dict(connection.execute("SELECT id, type FROM events"))
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    query = "SELECT event_id, generation, destination FROM deliveries"
    for event_id, generation, destination in connection.execute(query):
        found[event_id, generation].append(destination)
    for event_id, generation in world.watch.dispatched:
        expected = sorted(ROUTES[types[event_id]])
        if sorted(found[event_id, generation]) != expected:
            raise Violated(f"an event went to {found[event_id, generation]}, not {expected}")
    if left := world.watch.unended():
        raise Violated(f"{left} rows are not at an end")


def _outcomes_are_their_own(world: "World", connection: sqlite3.Connection) -> None:
    """A start's outcome is what that start came to, and nobody else's: what claims fence."""
    query = "SELECT delivery_id, number, outcome FROM attempts WHERE outcome <> 'crashed'"
    for delivery_id, number, outcome in connection.execute(query):
        if world.outside.came_to.get((delivery_id, number)) != outcome:
            raise Violated(f"start {number} of a delivery is said to be {outcome}, by another")
    for id_, row in world.watch.jobs.items():
        if row.state == "success" and row.said != f'"{id_}.{row.starts}"':
            raise Violated(f"the result of start {row.starts} of a job is another one's")


def _effects_are_bounded(world: "World") -> None:
    """I3 and I4: committed effects once; external ones at most 1 + crashes, under one key."""
    outside, watch = world.outside, world.watch
    rows = outside.shop.execute("SELECT event_id, generation FROM effects").fetchall()
    if any(count > 1 for count in Counter(rows).values()):
        raise Violated("an effect in the shop's database was committed twice")
    booked = {f"{event_id}/shop/{generation}" for event_id, generation in rows}
    for id_, row in watch.deliveries.items():
        if row.state != "succeeded":
            continue
        at_shop = row.said is not None and row.said.split("/")[1] == "shop"
        if not (row.said in booked if at_shop else outside.taken[id_]):
            raise Violated("a delivery is said to have succeeded and had no effect")
    for counted, states in ((outside.taken, watch.deliveries), (outside.done, watch.jobs)):
        for id_, times in counted.items():
            if times > 1 + watch.crashes[id_]:
                raise Violated(f"{times} effects of {states[id_]}: more than 1 + crashes")
    if any(len(keys) > 1 for keys in outside.keys.values()):
        raise Violated("repetitions of a delivery had several idempotency keys")


def _poison_is_isolated(world: "World") -> None:
    """A handler that kills its process has killed one worker: from then on it runs in a child."""
    worst = max(world.outside.killed.values(), default=0)
    if worst > 1:
        raise Violated(f"one delivery or job has killed {worst} workers")


def _workflows_ended_as_they_should(world: "World") -> None:
    """Each job of a workflow has run if it was to run, and not if it was not: callbacks once."""
    jobs = world.watch.jobs
    for workflow in world.workflows:
        for one in workflow.jobs:
            _check_job(world, one.id)
            if jobs[one.id].state == "success" and not world.outside.done[one.id]:
                raise Violated("a job is said to have succeeded and did nothing")


def _check_job(world: "World", job_id: str) -> None:
    jobs = world.watch.jobs
    row = jobs[job_id]
    before = [jobs[one].state for one in world.watch.predecessors(job_id)]
    failing = [jobs[one].state for one in world.watch.failing(job_id)]
    ran = row.state in {"success", "failure"}
    if any(state not in FINAL for state in (row.state, *before, *failing)):
        raise Violated(f"a job is {row.state} at the end")
    if job_id in world.outside.asked_to_stop:
        return
    wanted = "failure" in failing if failing else all(state == "success" for state in before)
    if ran != wanted:
        raise Violated(f"a job is {row.state} after {before or failing}")
