"""The tests' own servers do what the tests rely on."""

import asyncio
import threading
import urllib.request
from pathlib import Path

import psycopg
import pytest
import redis

from tests.services.postgres import PostgresServer
from tests.services.programs import MissingProgram, find_program
from tests.services.redis import RedisServer
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until, wait_until_async


def test_waiting_in_vain_says_what_was_missing() -> None:
    with pytest.raises(AssertionError, match=r"the moon to rise .*last value: 0"):
        wait_until(lambda: 0, timeout=0.03, describe="the moon to rise")


def test_waiting_returns_the_value_it_waited_for() -> None:
    values = iter([None, "", "here"])
    assert wait_until(lambda: next(values)) == "here"


def test_waiting_in_a_loop_lets_the_loop_run() -> None:
    async def story() -> str:
        found: list[str] = []
        asyncio.get_running_loop().call_later(0.02, found.append, "late")
        return (await wait_until_async(lambda: found))[0]

    assert asyncio.run(story()) == "late"


def test_a_missing_program_names_its_package_and_the_way_to_get_it() -> None:
    with pytest.raises(MissingProgram, match=r"package 'some-package'.*ops/test"):
        find_program(("no-such-program",), (Path("/nonexistent"),), "some-package")


def test_a_killed_redis_comes_back_empty_on_its_port(redis_server: RedisServer) -> None:

    with redis.Redis.from_url(redis_server.url) as client:
        client.set("key", "value")
    redis_server.restart()
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.get("key") is None


def test_an_appending_redis_keeps_its_keys_over_a_kill() -> None:

    server = RedisServer(appendonly=True)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
    server.restart()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("key") == b"value"
    server.close()


def test_committed_rows_survive_a_killed_postgres(postgres_server: PostgresServer) -> None:
    plain = postgres_server.create_database("survivor").replace("+psycopg", "")
    with psycopg.connect(plain) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    postgres_server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(plain)
    postgres_server.start()
    with psycopg.connect(plain) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]


def test_an_immediate_restart_breaks_open_connections(postgres_server: PostgresServer) -> None:
    plain = postgres_server.create_database("broken").replace("+psycopg", "")
    with psycopg.connect(plain) as connection:
        postgres_server.restart()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_the_sink_keeps_requests_and_follows_its_script(sink: Sink) -> None:
    sink.script("/a", Answer(503, (("Retry-After", "7"),)), Answer(200, body=b"fine"))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(sink.url("/a"), data=b"\x00one")
    refused.value.close()
    with urllib.request.urlopen(sink.url("/a"), data=b"two") as answer:
        assert answer.read() == b"fine"
    assert refused.value.headers["Retry-After"] == "7"
    assert [r.body for r in sink.wait_for(2, "/a")] == [b"\x00one", b"two"]
    assert sink.requests("/b") == []


def test_a_hanging_answer_waits_for_its_release(sink: Sink) -> None:
    sink.script("/slow", Answer(hang=True))
    statuses: list[int] = []

    def post() -> None:
        with urllib.request.urlopen(sink.url("/slow"), data=b"x") as answer:
            statuses.append(answer.status)

    poster = threading.Thread(target=post)
    poster.start()
    sink.wait_for(1)
    assert statuses == []
    sink.release()
    poster.join(5)
    assert statuses == [200]
