"""Ports: taken ones are named, none is moved."""

import os
import socket

import pytest

from ingest.cli.listening import holder, listen
from ingest.errors import ConfigError
from tests.services.ports import free_port


def test_port_0_is_any_free_port() -> None:
    with listen("127.0.0.1", 0) as first, listen("127.0.0.1", 0) as second:
        assert first.getsockname()[1] != second.getsockname()[1]


def test_a_listener_takes_connections_before_anybody_accepts_them() -> None:
    """So a receiver that restarts refuses nobody."""
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname(), timeout=2) as early,
    ):
        assert early.getpeername() == listener.getsockname()


def test_a_taken_port_is_named_with_its_holder_and_the_way_out() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(ConfigError) as caught:
            listen("127.0.0.1", port, setting="HOOKKEEPER_METRICS_PORT")

    message = str(caught.value)
    assert f"port {port} " in message
    assert f"(process {os.getpid()})" in message
    assert "HOOKKEEPER_METRICS_PORT" in message


def test_a_free_port_has_no_holder() -> None:
    assert holder(free_port()) is None


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_an_error_for_people(host: str) -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen(host, free_port())
