"""The guarded door: where requests may go, and what comes back."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from threading import Thread

import pytest

from ingest.addresses import Network, is_permitted
from ingest.outbound import ANSWER_LIMIT, AddressRefused, Answer, Door, OutboundFailed
from tests.services.sink import Answer as Script
from tests.services.sink import Sink
from tests.waiting import wait_until

LOOPBACK = (ip_network("127.0.0.0/8"),)


def post(
    url: str,
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
    *,
    allow: Sequence[Network] = LOOPBACK,
    timeout_seconds: float = 10.0,
    resolve: Callable[[str, int], Awaitable[Sequence[str]]] | None = None,
) -> Answer:
    async def through_the_door() -> Answer:
        door = Door(most_idle=10, resolve=resolve)
        try:
            return await door.post(
                url, headers or {}, body, timeout_seconds=timeout_seconds, allow=allow
            )
        finally:
            await door.close()

    return asyncio.run(through_the_door())


def names(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that always has this answer."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


@contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """A server that says exactly this to anybody who speaks, and hangs up."""

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65_536)
            connection.sendall(answer)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    thread.join()


# -- addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "172.15.0.1", "100.63.0.1", "2606:4700:4700::1111", "2a00:1450::5"],
)
def test_public_addresses_are_permitted(address: str) -> None:
    assert is_permitted(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1"),
        *("172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255"),
        *("192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.9"),
        *("192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1"),
        *("2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        *("2001:db8::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1"),
        *("fec0::1", "ff02::1", "2001:2::1", "2001:10::1", "2001:20::1"),
    ],
)
def test_everything_that_is_not_plainly_public_is_refused(address: str) -> None:
    assert not is_permitted(address)


def test_a_private_network_can_be_allowed_and_only_it() -> None:
    allow = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))

    assert is_permitted("10.1.2.3", allow)
    assert is_permitted("::ffff:10.1.2.3", allow), "the same machine, written as IPv6"
    assert is_permitted("fd00::1", allow)
    assert not is_permitted("10.2.0.1", allow)
    assert not is_permitted("127.0.0.1", allow)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::]", "[0:0:0:0:0:ffff:7f00:1]", "127。0。0。1"),
    ],
)
def test_every_spelling_of_this_machine_is_refused(sink: Sink, host: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        post(f"http://{host}:{sink.port}/", allow=())

    assert refused.value.code == "refused_address"
    assert "allow" in str(refused.value)
    assert sink.requests() == []


def test_an_octal_address_is_not_even_a_url(sink: Sink) -> None:
    assert code_of(f"http://0177.0.0.1:{sink.port}/", allow=()) == "bad_request"


def test_a_name_with_one_private_address_among_public_ones_is_refused(sink: Sink) -> None:
    resolve = names("93.184.216.34", "127.0.0.1")

    with pytest.raises(AddressRefused):
        post(f"http://mixed.example:{sink.port}/", allow=(), resolve=resolve)


def test_a_name_is_resolved_once_so_it_cannot_change_after_the_check(sink: Sink) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    answer = post(f"http://rebinding.example:{sink.port}/", resolve=rebinding)

    assert answer.status == 200
    assert next(answers) == ["169.254.169.254"], "the second answer was never asked for"
    assert sink.requests()[0].header("host") == f"rebinding.example:{sink.port}"


def test_destinations_with_other_allowances_share_no_connection(sink: Sink) -> None:
    """A kept connection to a private address must not serve one that may not go there."""

    async def one_after_another() -> None:
        door = Door(most_idle=10)
        url = f"{sink.url()}/"
        try:
            await door.post(url, {}, b"", timeout_seconds=5, allow=LOOPBACK)
            with pytest.raises(AddressRefused):
                await door.post(url, {}, b"", timeout_seconds=5)
        finally:
            await door.close()

    asyncio.run(one_after_another())
    assert len(sink.requests()) == 1


def test_the_second_address_is_tried_when_the_first_refuses(sink: Sink) -> None:
    resolve = names("127.0.0.2", "127.0.0.1")  # the sink listens on the second only

    assert post(f"http://two.example:{sink.port}/", resolve=resolve).status == 200


def test_proxies_of_the_environment_are_not_used(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, sink.url())

    post(f"{sink.url()}/direct")

    assert [request.path for request in sink.requests()] == ["/direct"]


# -- requests and answers -------------------------------------------------------------------


def test_the_body_and_the_headers_arrive_as_they_are(sink: Sink) -> None:
    body = bytes(range(256)) * 40

    post(f"{sink.url()}/in?a=1", body, {"content-type": "text/plain; charset=\xe9", "x-ours": "1"})

    request = sink.requests()[0]
    assert (request.method, request.path, request.body) == ("POST", "/in?a=1", body)
    assert request.header("x-ours") == "1"
    assert request.header("content-length") == str(len(body))
    assert request.header("user-agent").startswith("Hookkeeper/")
    assert request.header("accept-encoding") == "identity"


def test_a_destinations_own_header_replaces_the_default(sink: Sink) -> None:
    post(sink.url("/in"), headers={"user-agent": "Custom/1"})

    sent = [value for name, value in sink.requests()[0].headers if name.lower() == "user-agent"]
    assert sent == ["Custom/1"]


def test_an_empty_body_is_posted_as_one(sink: Sink) -> None:
    post(f"{sink.url()}/", b"")

    assert sink.requests()[0].header("content-length") == "0"


def test_a_redirect_is_an_answer_and_is_not_followed(sink: Sink) -> None:
    sink.script("/old", Script(302, (("Location", f"{sink.url()}/new"),)))

    assert post(f"{sink.url()}/old").status == 302
    assert [request.path for request in sink.requests()] == ["/old"]


def test_cookies_are_not_kept(sink: Sink) -> None:
    sink.script("/", Script(200, (("Set-Cookie", "a=1"),)))

    async def twice() -> None:
        door = Door(most_idle=1)
        for _ in range(2):
            await door.post(f"{sink.url()}/", {}, b"", timeout_seconds=5, allow=LOOPBACK)
        await door.close()

    asyncio.run(twice())
    names = {name.lower() for request in sink.requests() for name, _ in request.headers}
    assert len(sink.requests()) == 2
    assert "cookie" not in names


def test_the_start_of_an_answer_is_kept_for_people(sink: Sink) -> None:
    sink.script("/", Script(500, body=b"no\x00 \x1b[31mway\n" + b"x" * 600))

    excerpt = post(f"{sink.url()}/").excerpt

    assert excerpt.startswith("no   [31mway x")
    assert len(excerpt) <= 500


def test_an_endless_answer_is_read_to_a_bound(sink: Sink) -> None:
    sink.script("/", Script(200, body=b"x" * (ANSWER_LIMIT * 20)))

    assert len(post(f"{sink.url()}/").excerpt) == 500


def test_an_answer_that_breaks_off_in_its_body_still_has_its_status() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as url:
        answer = post(url)

    assert answer == Answer(200, None, "half")


def test_retry_after_is_handed_on(sink: Sink) -> None:
    sink.script("/", Script(429, (("Retry-After", "7"),)))

    assert post(f"{sink.url()}/").retry_after == "7"


def test_urls_stand_in_no_log(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """The URLs of chat services are secrets, and httpx logs every one that it requests."""
    with caplog.at_level("DEBUG"):
        post(f"{sink.url()}/services/T000/B000/SECRET", headers={"authorization": "hidden"})

    assert "SECRET" not in caplog.text
    assert "hidden" not in caplog.text


# -- connections ----------------------------------------------------------------------------


def post_all(*urls: str, most_idle: int = 10, together: bool = False) -> None:
    """POST to each, through one door, in turn or together."""

    async def through_one_door() -> None:
        door = Door(most_idle)
        posts = [door.post(url, {}, b"", timeout_seconds=5, allow=LOOPBACK) for url in urls]
        if together:
            await asyncio.gather(*posts)
        else:
            for one in posts:
                await one
        await door.close()

    asyncio.run(through_one_door())


def test_a_connection_serves_one_request_after_the_other(sink: Sink) -> None:
    post_all(*[sink.url("/in")] * 3)

    assert (len(sink.requests()), sink.connections) == (3, 1)


def test_requests_at_the_same_time_have_a_connection_each(sink: Sink) -> None:
    sink.script("/in", Script(delay=0.2))

    post_all(*[sink.url("/in")] * 3, together=True)

    assert sink.connections == 3


def test_only_so_many_connections_are_kept(sink: Sink) -> None:
    """Else a worker with thousands of destinations would have no file left to open."""
    one, other = sink.url("/in"), sink.url("/in").replace("127.0.0.1", "127.1")

    post_all(one, other, other, one, most_idle=1)

    assert sink.connections == 3, "the other one's was kept, the first one's given up for it"


def test_a_connection_that_the_server_closed_is_not_used_again(sink: Sink) -> None:
    async def before_and_after() -> int:
        door = Door(most_idle=10)
        await door.post(sink.url(), {}, b"", timeout_seconds=5, allow=LOOPBACK)
        await asyncio.to_thread(sink.hang_up)
        answer = await door.post(sink.url(), {}, b"", timeout_seconds=5, allow=LOOPBACK)
        await door.close()
        return answer.status

    assert asyncio.run(before_and_after()) == 200
    assert sink.connections == 2


def test_a_connection_with_an_unread_answer_is_not_used_again(sink: Sink) -> None:
    """What is left of it would be taken for the next request's answer."""
    sink.script("/in", Script(500, body=b"x" * (ANSWER_LIMIT * 20)), Script(200))

    post_all(sink.url("/in"), sink.url("/in"))

    assert sink.connections == 2


def test_a_connection_that_was_given_up_on_is_not_used_again(sink: Sink) -> None:
    sink.script("/in", Script(hang=True), Script(200))

    async def hang_and_answer() -> int:
        door = Door(most_idle=10)
        with pytest.raises(OutboundFailed):
            await door.post(sink.url("/in"), {}, b"", timeout_seconds=0.2, allow=LOOPBACK)
        answer = await door.post(sink.url("/in"), {}, b"", timeout_seconds=5, allow=LOOPBACK)
        await door.close()
        return answer.status

    assert asyncio.run(hang_and_answer()) == 200
    assert sink.connections == 2


def test_a_kept_connection_is_closed_with_the_door(sink: Sink) -> None:
    post_all(sink.url("/in"))

    wait_until(lambda: not sink.open_connections, describe="the sink to see the end of it")


# -- failures -------------------------------------------------------------------------------


def code_of(url: str, **options: object) -> str:
    with pytest.raises(OutboundFailed) as failed:
        post(url, **options)  # type: ignore[arg-type]  # handed through to post as they are
    return failed.value.code


def test_a_destination_that_hangs_is_left_at_the_limit(sink: Sink) -> None:
    sink.script("/", Script(hang=True))

    assert code_of(f"{sink.url()}/", timeout_seconds=0.2) == "timeout"


def test_a_name_that_takes_too_long_counts_into_the_limit() -> None:
    async def slow(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    assert code_of("http://slow.example/", resolve=slow, timeout_seconds=0.1) == "timeout"


def test_nobody_listening_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    assert code_of(f"http://127.0.0.1:{port}/") == "connection_refused"


def test_an_unknown_name_is_named() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert code_of("http://nowhere.invalid/", resolve=unknown) == "unknown_name"
    assert code_of(f"http://{'a' * 70}.example/") == "unknown_name"


def test_an_answer_that_is_not_http_is_named() -> None:
    with raw_server(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        assert code_of(url, body=b"") == "bad_answer"


def test_a_server_that_hangs_up_is_named() -> None:
    with raw_server(b"") as url:
        assert code_of(url) in {"bad_answer", "connection_lost"}


def test_a_certificate_of_nobody_we_trust_is_named(sink: Sink) -> None:
    assert code_of(f"https://127.0.0.1:{sink.port}/") == "tls_error"
    assert ssl.HAS_SNI


@pytest.mark.parametrize("url", ["ftp://example.com/", "example.com/in", "http:///in", ""])
def test_what_is_no_web_address_is_named(url: str) -> None:
    assert code_of(url) == "bad_request"


def test_a_header_that_http_cannot_carry_is_named(sink: Sink) -> None:
    assert code_of(f"{sink.url()}/", headers={"x-bad": "a\r\nb: c"}) == "bad_request"
    assert sink.requests() == []
