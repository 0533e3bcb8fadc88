"""A filter as SQL: which events or deliveries are meant, as ``ingest.filters`` has it in words."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal_column, or_, select, text

from ingest.events import TERMINAL, DeliveryState, EventState
from ingest.filters import Dataset, Filter
from ingest.store.database import Database
from ingest.store.delivery_rows import is_state
from ingest.store.distinct import distinct
from ingest.store.schema import GIVEN_UP, deliveries, events

_LAST = "\U0010ffff"
_SURROGATES, _AFTER_SURROGATES = 0xD800, 0xE000


def stored_sources(db: Database) -> set[str]:
    """Return the sources that have an event in the store."""
    with db.read() as tx:
        return distinct(tx, events.c.source)


def matching_ids(dataset: Dataset, wanted: Filter, after: str, before: str) -> Select[Any]:
    """Select the ids that are wanted between two, both excluded, in their order."""
    ids = select(events.c.id) if dataset is Dataset.EVENTS else _delivery_ids(wanted)
    (id_,) = ids.selected_columns
    return ids.where(*conditions(dataset, wanted), id_ > after, id_ < before).order_by(id_)


def conditions(dataset: Dataset, wanted: Filter) -> list[ColumnElement[bool]]:
    """Return what is asked of a row; of a delivery's event where there is need of it."""
    found: list[ColumnElement[bool]] = []
    if wanted.source is not None:
        found.append(events.c.source == wanted.source)
    if wanted.types:
        found.append(or_(*map(_covers, wanted.types)))
    if wanted.state is not None:
        found.append(_in_state(dataset, wanted.state))
    if wanted.destination is not None:
        found.append(deliveries.c.destination == wanted.destination)
    return found


def _delivery_ids(wanted: Filter) -> Select[Any]:
    ids = select(deliveries.c.id)
    if wanted.source is not None or wanted.types:
        ids = ids.select_from(deliveries.join(events))
    return ids


def _covers(type_: str) -> ColumnElement[bool]:
    """Compare as routes do (ingest/patterns.py); ranges, because LIKE ignores case on SQLite."""
    if type_.endswith("*"):
        return _begins(type_[:-1])
    return or_(events.c.type == type_, _begins(f"{type_}."))


def _begins(prefix: str) -> ColumnElement[bool]:
    beyond = _beyond(prefix)
    begins = events.c.type >= prefix
    return begins if beyond is None else and_(begins, events.c.type < beyond)


def _beyond(prefix: str) -> str | None:
    """Return the first text after all that begin so, in the order of bytes; None: there is none.

    That order is the one of code points, where the last has no next, and surrogates are no text.
    """
    stem = prefix.rstrip(_LAST)
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(_AFTER_SURROGATES if following == _SURROGATES else following)


def _in_state(dataset: Dataset, state: str) -> ColumnElement[bool]:
    if dataset is Dataset.EVENTS:
        return events.c.state == literal_column(f"'{EventState(state)}'")
    wanted = DeliveryState(state)
    if wanted in TERMINAL - {DeliveryState.SUCCEEDED}:
        return and_(text(f"deliveries.{GIVEN_UP}"), is_state(wanted))
    return is_state(wanted)
