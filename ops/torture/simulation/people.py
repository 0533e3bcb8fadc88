"""Who acts on Hookkeeper from outside: providers that send, operators, and who makes jobs."""

import hashlib
from typing import TYPE_CHECKING

from uuid_utils import uuid7

from ingest.errors import HookkeeperError
from ingest.events import Accepted, Arrival
from ingest.header_pairs import headers_text
from ingest.jobs.states import Plan
from ingest.jobs.workflow import Call, Work, chain, chord, group, plan
from ingest.store import destinations, jobs, replay
from ingest.store.accept import accept
from ops.torture.simulation.outside import ROUTES, Sent

if TYPE_CHECKING:
    from ops.torture.simulation.world import World

DAY_MS = 86_400_000
TYPES = ("order", "order", "bulk", "bulk", "ping", "poison")
KINDS = ("steady", "steady", "steady", "hopeless", "deadly")
DESTINATIONS = sorted({name for names in ROUTES.values() for name in names})


def send(world: "World") -> None:
    """Let providers send: new events, repetitions, and repetitions with another body.

    A receiver may die between its commit and its answer; then the provider sends again.
    """
    chance = world.chance
    batch = [_chosen(world) for _ in range(chance.randrange(1, 4))]
    arrivals = [_arrival(world, one, b"!" if chance.happens(0.1) else b"") for one in batch]
    answers = accept(world.database, arrivals)
    if chance.happens(0.05):  # the connection broke after the commit: the same once more
        answers = accept(world.database, arrivals)
    if chance.happens(0.1):
        return
    for one, answer in zip(batch, answers, strict=True):
        assert isinstance(answer, Accepted), answer
        one.acknowledged.add(answer.event_id)
    new = [answer.event_id for answer in answers if isinstance(answer, Accepted)]
    if not chance.happens(0.1):  # nor may it live until it has published
        world.wire.publish_events(sorted(set(new)))


def _chosen(world: "World") -> Sent:
    """Choose what to send: something new, or what was sent before."""
    sent = world.outside.sent
    if sent and world.chance.happens(0.4):
        return world.chance.choice(sent)
    number = len(sent) + world.chance.randrange(1_000_000)
    name = f"evt_{world.episode}_{number}"
    key = hashlib.sha256(name.encode()).digest()
    made = Sent(key, world.chance.choice(TYPES), name.encode(), name)
    sent.append(made)
    return made


def _arrival(world: "World", one: Sent, change: bytes) -> Arrival:
    body = one.body if not one.acknowledged else one.body + change
    return Arrival(
        event_id=str(uuid7()),
        source="github",
        type=one.type,
        provider_event_id=one.provider_event_id,
        received_at=world.time.wall,
        headers=headers_text((("X-Event", one.type),)),
        query="",
        content_type="application/json",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        trace_id="0af7651916cd43dd8448eb211c80319c",
        secret_name=None,
        type_signed=False,
        dedupe_key=one.key,
        dedupe_for_ms=30 * DAY_MS,
    )


def operate(world: "World") -> None:
    """Let an operator do something to what there is."""
    chance, database = world.chance, world.database
    action = chance.randrange(6)
    if action == 0:
        destinations.pause(database, chance.choice(DESTINATIONS), "because")
    elif action == 1:
        destinations.resume(database, chance.choice(DESTINATIONS))
    elif action == 2:  # noqa: PLR2004 - the number of an action
        _replay(world)
    elif world.workflows:
        job_id = chance.choice([one.id for one in chance.choice(world.workflows).jobs])
        if action == 3 and chance.happens(0.4):  # noqa: PLR2004 - as above
            world.outside.asked_to_stop.add(job_id)
            jobs.cancel(database, job_id)
        elif action == 4:  # noqa: PLR2004 - as above
            jobs.pause(database, job_id)
        else:
            jobs.resume(database, job_id)


def _replay(world: "World") -> None:
    ended = sorted(world.watch.ended_deliveries())
    known = sorted(world.watch.events)
    if ended and world.chance.happens(0.5):
        try:
            ref = replay.replay_delivery(world.database, world.chance.choice(ended))
        except HookkeeperError:
            return  # it was replayed before
        world.wire.publish_deliveries([ref])
    elif known and world.chance.happens(0.5):
        event_id = world.chance.choice(known)
        replay.replay_event(world.database, event_id)
        world.wire.publish_events([event_id])


def enqueue(world: "World") -> None:
    """Make a job, or a workflow; sometimes twice under one idempotency key."""
    chance = world.chance
    work, on_error = _workflow(world)
    planned = plan(work, lambda _kind: "jobs", lambda: str(uuid7()), on_error=on_error)
    key = f"key_{world.episode}_{len(world.workflows)}"
    made = jobs.create(world.database, planned, trace_id="t", idempotency_key=key)
    world.workflows.append(planned)
    if chance.happens(0.2):
        again: Plan = plan(work, lambda _kind: "jobs", lambda: str(uuid7()), on_error=on_error)
        repeated = jobs.create(world.database, again, trace_id="t", idempotency_key=key)
        assert repeated.ids == made.ids
        assert repeated.repeated
    if not chance.happens(0.1):
        world.wire.publish_jobs(made.due)


def _workflow(world: "World") -> tuple[Work, Call | None]:
    chance = world.chance

    def call() -> Call:
        return Call(chance.choice(KINDS), (chance.randrange(100),))

    on_error = Call("steady", ("on error",)) if chance.happens(0.4) else None
    members = [Call("steady", (number,)) for number in range(chance.randrange(2, 5))]
    shapes: tuple[Work, ...] = (
        call(),
        chain(Call("steady", (1,)), call(), Call("steady", (3,))),
        chord(members, Call("steady", ("callback",))),
        chord([*members, call()], Call("steady", ("callback",))),
        chain(group(call(), Call("steady", (2,))), chord(members, call())),
    )
    return chance.choice(shapes), on_error
