"""A handler with the inbox in real workers: killed after its commit, it runs again for nothing."""

import pytest

from ingest import inbox
from ingest.events import DeliveryState
from ingest.store.replay import replay_delivery
from tests.actors.rig import Rig
from tests.actors.test_processes import ended, publish
from tests.inbox import shops
from tests.waiting import wait_until

HANDLERS = """
import sqlalchemy
from ingest import inbox

engine = sqlalchemy.create_engine({url!r})

def book(event):
    note("runs", event)
    with engine.begin() as connection:
        first = inbox.claim(connection, event)
        if first:
            connection.execute(sqlalchemy.text("INSERT INTO bookings (note) VALUES ('paid')"))
    if not (HERE / "died").exists():
        (HERE / "died").touch()
        os._exit(1)  # committed, and nobody knows

@on("github", "push", name="book")
def sync(event: Event) -> None:
    book(event)

@on("github", "issues", name="book_async")
async def asynchronous(event: Event) -> None:
    book(event)
"""


@pytest.mark.parametrize("type_", ["push", "issues"])
def test_a_handler_that_died_after_its_commit_has_worked_once(
    rig: Rig, database_url: str, type_: str
) -> None:
    with shops.of_sqlalchemy(database_url) as connection:  # the shop's tables, beside ours
        inbox.create_table(connection)
        shops.work(connection, "CREATE TABLE bookings (note TEXT)")
    rig.handlers(HANDLERS.format(url=database_url))
    event_id = rig.store(type=type_)
    doomed = rig.dramatiq()
    publish(rig, event_id)
    assert ended(doomed) != 0

    rig.start("actors.scheduler")
    rig.dramatiq()
    row = rig.wait_for(event_id, DeliveryState.SUCCEEDED, timeout=40)

    assert len(rig.notes("runs")) == 2
    assert shops.bookings(database_url) == 1

    replay_delivery(rig.database, row.id)
    both = [DeliveryState.SUCCEEDED] * 2
    wait_until(lambda: [each.state for each in rig.deliveries(event_id)] == both, timeout=20)
    assert shops.bookings(database_url) == 2, "a replay is a wish to have it again"
