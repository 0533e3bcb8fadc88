"""SIGTERM ends each process within its bound, and loses nothing that was acknowledged."""

import contextlib
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.events import DeliveryState
from ingest.store import open_database
from ingest.store.schema import deliveries, events, workers
from tests.cli.running import running
from tests.live.senders import Senders
from tests.waiting import wait_until
from tests.web.rig import read_all, serving
from tests.web.test_wire import HEAD

pytestmark = pytest.mark.live

#: What the receiver may take (ingest/cli/serving.py, and connections that rest), and what this
#: machine needs for anything.
WEB_SECONDS = 12 + 8
UP_SECONDS = 60
CONFIG = """
handlers = ["stopping_handlers"]
[sources.open]
provider = "none"
"""
HANDLERS = """
import time
from ingest import Event, on

@on("open", name="work", time_limit=120)
def work(event: Event) -> None:
    time.sleep(0.05)
"""


def test_a_receiver_that_stops_answers_all_that_it_was_asked(
    tmp_path: Path, database_url: str
) -> None:
    with (
        serving(tmp_path, database_url) as server,
        Senders(server.port, number=8) as senders,
        server.connect() as idle,
    ):
        senders.wait_for(50)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        status = server.process.wait(timeout=60)
        took = time.monotonic() - began
        assert idle.recv(1) == b""
        senders.join()
    assert status == -signal.SIGTERM, "as uvicorn ends"
    assert took < WEB_SECONDS
    assert senders.broken == []
    assert set(senders.refused) <= {503}
    assert set(senders.acknowledged) == stored(database_url), "what was not said was not kept"


def test_a_sender_in_the_middle_of_a_body_does_not_hold_a_stop_up(
    tmp_path: Path, sqlite_url: str
) -> None:
    with serving(tmp_path, sqlite_url) as server, server.connect() as wire:
        wire.sendall(HEAD % b"open" + b"content-length: 10\r\n\r\nhello")
        with server.connect() as other:
            other.sendall(HEAD % b"open" + b"content-length: 1\r\nconnection: close\r\n\r\nx")
            assert b"202" in read_all(other), "and so the first one has been read, too"
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=60)
        assert time.monotonic() - began < WEB_SECONDS
        with contextlib.suppress(ConnectionError):
            assert not read_all(wire).startswith(b"HTTP/1.1 202")
    assert len(stored(sqlite_url)) == 1


def test_a_pipeline_that_stops_under_load_keeps_what_it_acknowledged_and_holds_nothing(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "hookkeeper.toml").write_text(CONFIG)
    (tmp_path / "stopping_handlers.py").write_text(HANDLERS)
    settings = {"HOOKKEEPER_DATABASE_URL": database_url}
    with running(tmp_path, settings) as up, Senders(up.port) as senders:
        senders.wait_for(100)
        wait_until(
            lambda: DeliveryState.RUNNING in states(database_url), describe="something to run"
        )
        began = time.monotonic()
        up.process.send_signal(signal.SIGTERM)
        assert up.ended(UP_SECONDS) == 0
        assert time.monotonic() - began < UP_SECONDS
        assert up.family() == []
        senders.join()
    assert set(senders.acknowledged) <= stored(database_url)
    assert states(database_url) <= {DeliveryState.WAITING, DeliveryState.SUCCEEDED}
    with contextlib.closing(open_database(database_url)) as database, database.read() as tx:
        assert tx.execute(select(workers.c.id)).all() == [], "a claim is left"
        crashes = tx.execute(select(deliveries.c.crashes).where(deliveries.c.crashes > 0))
        assert crashes.all() == [], "something was cut off"


def stored(database_url: str) -> set[str]:
    with contextlib.closing(open_database(database_url)) as database, database.read() as tx:
        return set(tx.execute(select(events.c.id).where(events.c.source == "open")).scalars())


def states(database_url: str) -> set[str]:
    with contextlib.closing(open_database(database_url)) as database, database.read() as tx:
        return set(tx.execute(select(deliveries.c.state).distinct()).scalars())
