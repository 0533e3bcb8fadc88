"""Keys that providers publish: fetched once, kept, refreshed, and no lever against their hosts.

The server is real and speaks TLS; only the clock is the test's.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ingest.key_fetching import KeyFetcher
from ingest.outbound import Door
from ingest.verify.key_set import NeedsKey, needs_key, with_id
from tests.services.mail import make_certificate
from tests.services.sink import Answer, Sink
from tests.waiting import wait_until_async

LOOPBACK = (ip_network("127.0.0.0/8"),)
MINUTE = 60_000
PATH = "/.well-known/jwks.json"


class Clock:
    """The time in ms, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_760_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    sink = Sink(tls=certificate.context())
    yield sink
    sink.close()


@asynccontextmanager
async def fetching(clock: Clock) -> AsyncIterator[KeyFetcher]:
    door = Door(most_idle=4)
    fetcher = KeyFetcher(door, clock, LOOPBACK)
    yield fetcher
    await fetcher.close()
    await door.close()


def run(story: Callable[[KeyFetcher, Clock], Coroutine[None, None, None]]) -> None:
    async def told() -> None:
        clock = Clock()
        async with fetching(clock) as fetcher:
            await story(fetcher, clock)

    asyncio.run(told())


def key_set(*key_ids: str) -> bytes:
    return json.dumps({"keys": [jwk(key_id) for key_id in key_ids]}).encode()


def jwk(key_id: str) -> dict[str, str]:
    raw = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id}


def published(*key_ids: str, max_age: int | None = None, **how: float | bool) -> Answer:
    headers = (("Cache-Control", f"public, max-age={max_age}"),) if max_age is not None else ()
    hang = bool(how.get("hang", False))
    return Answer(headers=headers, body=key_set(*key_ids), hang=hang)


def has(fetcher: KeyFetcher, needs: NeedsKey) -> bool:
    return bool(with_id(fetcher.snapshot().at(needs.url) or (), needs.key_id))


def test_a_key_that_is_needed_is_there_after_one_request(server: Sink) -> None:
    server.script(PATH, published("k1"))
    needs = needs_key(server.url(PATH), "k1")

    async def story(fetcher: KeyFetcher, _: Clock) -> None:
        assert fetcher.snapshot().at(needs.url) is None
        await fetcher.ensure(needs)
        assert has(fetcher, needs)
        await fetcher.ensure(needs)

    run(story)
    assert [request.method for request in server.requests()] == ["GET"]


def test_a_hundred_requests_that_wait_for_one_key_cost_the_provider_one(server: Sink) -> None:
    server.script(PATH, published("k1", hang=True))
    needs = needs_key(server.url(PATH), "k1")

    async def story(fetcher: KeyFetcher, _: Clock) -> None:
        waiting = [asyncio.ensure_future(fetcher.ensure(needs)) for _ in range(100)]
        await wait_until_async(lambda: server.requests(PATH))
        waiting[0].cancel()  # a sender that hangs up takes nobody's key away
        server.release()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert has(fetcher, needs)

    run(story)
    assert len(server.requests()) == 1


def test_keys_are_refreshed_before_they_are_old_and_nobody_waits_for_it(server: Sink) -> None:
    server.script(PATH, published("old", max_age=600), published("new", hang=True))
    needs = needs_key(server.url(PATH))

    async def story(fetcher: KeyFetcher, clock: Clock) -> None:
        await fetcher.ensure(needs)
        clock.now += 9 * MINUTE
        fetcher.snapshot()
        assert len(server.requests()) == 1
        clock.now += MINUTE
        for _ in range(3):  # while it hangs, every request has the keys that there are
            assert [key.key_id for key in fetcher.snapshot().at(needs.url) or ()] == ["old"]
        await wait_until_async(lambda: len(server.requests()) == 2)
        server.release()
        await wait_until_async(lambda: has(fetcher, needs_key(needs.url, "new")))

    run(story)
    assert len(server.requests()) == 2


@pytest.mark.parametrize(
    ("max_age", "fresh_minutes"), [(None, 60), (0, 5), (86_400 * 30, 24 * 60), (1_200, 20)]
)
def test_keys_count_as_fresh_as_the_answer_says_within_bounds(
    server: Sink, max_age: int | None, fresh_minutes: int
) -> None:
    server.script(PATH, published("k", max_age=max_age))

    async def story(fetcher: KeyFetcher, clock: Clock) -> None:
        await fetcher.ensure(needs_key(server.url(PATH)))
        clock.now += fresh_minutes * MINUTE - 1
        fetcher.snapshot()
        assert fetcher._running == {}
        clock.now += 1
        fetcher.snapshot()
        assert len(fetcher._running) == 1

    run(story)


@pytest.mark.parametrize(
    "broken",
    [
        Answer(status=503, body=b"{}"),
        Answer(status=500, body=key_set("of a page that is no answer")),
        Answer(status=301, headers=(("Location", "/elsewhere"),)),
        Answer(body=b"<html>"),
        Answer(body=b'{"keys":[]}'),
        Answer(body=b" " * 300_000 + b"{}"),
    ],
    ids=["away", "a status that is no success", "redirect", "no JSON", "no keys", "too long"],
)
def test_the_last_good_keys_survive_an_outage(server: Sink, broken: Answer) -> None:
    server.script(PATH, published("k1"), broken, broken, published("k1", "k2"))
    needs = needs_key(server.url(PATH), "k1")

    async def story(fetcher: KeyFetcher, clock: Clock) -> None:
        await fetcher.ensure(needs)
        clock.now += 60 * MINUTE
        for asked in (2, 3, 4):
            assert has(fetcher, needs)
            await wait_until_async(lambda: not fetcher._running)
            assert len(server.requests(PATH)) == asked
            clock.now += 10_000
        assert has(fetcher, needs_key(needs.url, "k2"))

    run(story)
    assert server.requests("/elsewhere") == []


def test_a_rotated_key_is_fetched_when_it_is_first_seen(server: Sink) -> None:
    server.script(PATH, published("k1"), published("k1", "k2"))

    async def story(fetcher: KeyFetcher, clock: Clock) -> None:
        await fetcher.ensure(needs_key(server.url(PATH), "k1"))
        clock.now += MINUTE
        await fetcher.ensure(needs_key(server.url(PATH), "k2"))
        assert has(fetcher, needs_key(server.url(PATH), "k2"))

    run(story)


def test_invented_key_ids_make_us_ask_once_a_minute_at_most(server: Sink) -> None:
    server.script(PATH, published("k1"))

    async def story(fetcher: KeyFetcher, clock: Clock) -> None:
        for number in range(600):
            await fetcher.ensure(needs_key(server.url(PATH), f"invented-{number}"))
            clock.now += 1_000

    run(story)
    assert len(server.requests()) == 10


def test_invented_urls_cannot_be_used_to_flood_a_host(server: Sink) -> None:
    """A certificate's URL comes with the request; only its host is pinned."""

    async def story(fetcher: KeyFetcher, clock: Clock) -> None:
        for number in range(200):
            await fetcher.ensure(needs_key(server.url(f"/{number}.pem")))
        assert len(server.requests()) == 20
        clock.now += 3_000
        server.script("/genuine.pem", published("k"))
        await fetcher.ensure(needs_key(server.url("/genuine.pem")))
        assert has(fetcher, needs_key(server.url("/genuine.pem")))
        assert len(fetcher._pages) < 128

    run(story)


def test_an_absent_document_is_not_asked_for_by_every_request(server: Sink) -> None:
    server.script(PATH, Answer(status=404))

    async def story(fetcher: KeyFetcher, clock: Clock) -> None:
        asked = []
        for _ in range(40):
            await fetcher.ensure(needs_key(server.url(PATH)))
            asked.append(len(server.requests()))
            clock.now += 1_000
        assert asked[4] == 1
        assert asked[5] == 2
        assert asked[-1] == 4  # after 5, 10 and 20 seconds

    run(story)


def test_a_private_address_is_refused_unless_it_is_allowed(server: Sink) -> None:
    async def story() -> None:
        door = Door(most_idle=1)
        fetcher = KeyFetcher(door, Clock())
        await fetcher.ensure(needs_key(server.url(PATH)))
        assert fetcher.snapshot().at(server.url(PATH)) is None
        await door.close()

    asyncio.run(story())
    assert server.requests() == []


def test_a_key_inside_a_larger_document_is_found_by_its_path(server: Sink) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    server.script("/config", Answer(body=json.dumps({"config": {"public_key": pem}}).encode()))
    needs = needs_key(server.url("/config"), field="config.public_key")

    async def story(fetcher: KeyFetcher, _: Clock) -> None:
        await fetcher.ensure(needs)
        (found,) = fetcher.snapshot().at(needs.url) or ()
        assert found.material == key

    run(story)


def test_closing_stops_what_hangs(server: Sink) -> None:
    server.script(PATH, published("k", hang=True))

    async def story(fetcher: KeyFetcher, _: Clock) -> None:
        waiting = asyncio.ensure_future(fetcher.ensure(needs_key(server.url(PATH))))
        await wait_until_async(lambda: server.requests(PATH))
        async with asyncio.timeout(2):  # less than the fetch itself may take
            await fetcher.close()
        await waiting
        assert fetcher.snapshot().at(server.url(PATH)) is None

    run(story)
    server.release()
