"""The proxy that misbehaves on order."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from ops.torture.cluster.proxy import Proxy


class Echo:
    """Answers each piece with itself, behind its name."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,)).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while data := connection.recv(1_000):
                connection.sendall(self._name + data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with closing(Echo(b"a:")) as server, closing(Proxy(server.port)) as made:
        yield made


def client(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def ask(connection: socket.socket, word: bytes) -> bytes:
    connection.sendall(word)
    return connection.recv(1_000)


def is_over(connection: socket.socket) -> bool:
    """Whether the other side has closed, in order or not."""
    try:
        return connection.recv(1_000) == b""
    except ConnectionResetError:
        return True


def test_it_forwards(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert [ask(connection, b"1"), ask(connection, b"2")] == [b"a:1", b"a:2"]


def test_what_falls_into_the_hole_goes_on_its_way_afterwards(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert ask(connection, b"1") == b"a:1"
        proxy.become("hole")
        connection.sendall(b"2")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1_000)
        connection.settimeout(10)

        proxy.become("pass")

        assert connection.recv(1_000) == b"a:2"


def test_it_breaks_what_is_connected_and_takes_nobody(proxy: Proxy) -> None:
    with client(proxy) as connection:
        assert ask(connection, b"1") == b"a:1"
        proxy.become("refuse")
        assert is_over(connection)
    with client(proxy) as connection:
        assert is_over(connection)

    proxy.become("pass")

    with client(proxy) as connection:
        assert ask(connection, b"3") == b"a:3"


def test_it_can_be_pointed_at_another_server(proxy: Proxy) -> None:
    with closing(Echo(b"b:")) as other, client(proxy) as before:
        assert ask(before, b"1") == b"a:1"

        proxy.point_at(other.port)

        with client(proxy) as connection:
            assert ask(connection, b"1") == b"b:1"
