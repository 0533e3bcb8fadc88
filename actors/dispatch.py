"""The ``dispatch`` actor: routes stored events to their destinations, a batch in a transaction.

Running it twice, here or anywhere, changes nothing the second time; whatever it does not get done,
the events' wake times bring back.
"""

from collections.abc import Iterator, Sequence

import dramatiq
import structlog

from actors import observing
from actors.publishing import wake_deliveries
from actors.runtime import Runtime
from ingest import routing
from ingest.config.snapshot import Loaded
from ingest.errors import StoreUnavailable
from ingest.events import DeliveryRef, Event, Target
from ingest.failpoints import reached
from ingest.queue import DISPATCH, WakeBroker
from ingest.store import Database
from ingest.store import dispatch as store

logger = structlog.get_logger(__name__)

Plan = tuple[Event, tuple[Target, ...]]


def declare(broker: WakeBroker, runtime: Runtime) -> None:
    """Bind the actor to its queue."""

    @dramatiq.actor(broker=broker, actor_name=DISPATCH, queue_name=DISPATCH)
    def dispatch(*, v: int, ids: list[str], destination: str | None) -> None:  # noqa: ARG001 - the fields of every message
        try:
            refs = dispatch_events(runtime.database, runtime.loaded, ids)
        except StoreUnavailable as error:
            logger.warning("dispatch.unavailable", events=len(ids), error=str(error))
            return
        reached("dispatch.after_commit")
        wake_deliveries(broker, refs)
        reached("dispatch.after_publish")


def dispatch_events(database: Database, loaded: Loaded, ids: Sequence[str]) -> list[DeliveryRef]:
    """Route events that are still stored; return their new deliveries, to be published.

    Raises StoreUnavailable. An event that cannot be routed or written is logged and stays
    stored; its batch is unharmed.
    """
    refs: list[DeliveryRef] = []
    left = set(ids)
    whole = routing.looks_inside(loaded.config, loaded.handlers)
    while left and (events := store.undispatched(database, sorted(left), whole=whole)):
        refs += _dispatch_together(database, list(_plans(loaded, events)))
        left -= {event.id for event in events}
    return refs


def _dispatch_together(database: Database, plans: Sequence[Plan]) -> list[DeliveryRef]:
    try:
        return _write(database, plans)
    except StoreUnavailable:
        raise
    except Exception:
        logger.exception("dispatch.batch_rejected", events=len(plans))
        return [ref for plan in plans for ref in _write_alone(database, plan)]


def _plans(loaded: Loaded, events: Sequence[Event]) -> Iterator[Plan]:
    for event in events:
        try:
            yield event, routing.match(loaded.config, loaded.handlers, event)
        except Exception:
            logger.exception("dispatch.not_routed", event_id=event.id, source=event.source)


def _write(database: Database, plans: Sequence[Plan]) -> list[DeliveryRef]:
    refs = store.dispatch(database, plans) if plans else []
    observing.dispatched(plans)
    return refs


def _write_alone(database: Database, plan: Plan) -> list[DeliveryRef]:
    try:
        return _write(database, [plan])
    except StoreUnavailable:
        raise
    except Exception:
        logger.exception("dispatch.rejected", event_id=plan[0].id)
        return []
