"""What stands in for uvicorn's cycle has all that uvicorn's connection asks of one."""

import asyncio
import inspect
import logging
import re
from typing import Any

from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl

from ingest.exchange import Exchange, Owed

OWED = set(inspect.get_annotations(Owed))

#: Asked by our own connection alone, of both.
OURS = {"response_started"}
#: Used only of a cycle that the connection has begun itself, for a request that goes by ASGI.
ITS_OWN = {"run_asgi", "body", "more_body"}


def cycle() -> httptools_impl.RequestResponseCycle:
    transport = asyncio.Transport()
    scope: Any = {"type": "http"}
    return httptools_impl.RequestResponseCycle(
        scope=scope,
        transport=transport,
        flow=FlowControl(transport),
        logger=logging.getLogger(),
        access_logger=logging.getLogger(),
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )


def test_uvicorn_asks_a_cycle_for_nothing_more_than_we_have() -> None:
    """A new uvicorn may: then its connection would fail where a sender leaves, say."""
    code = inspect.getsource(httptools_impl.HttpToolsProtocol)
    asked = set(re.findall(r"\b(?:self\.|existing_)?cycle\.(\w+)", code))
    assert asked - ITS_OWN == OWED - OURS


def test_an_exchange_begins_as_a_cycle_does() -> None:
    theirs, ours = cycle(), Exchange(keep_alive=True)
    for name in OWED - {"message_event"}:
        assert getattr(ours, name) is getattr(theirs, name), name
    assert type(ours.message_event) is type(theirs.message_event)
