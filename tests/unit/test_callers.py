"""Whose connection it is: by its peer, or by the word of a proxy that is trusted."""

from ipaddress import ip_network

import pytest

from ingest import callers
from ingest.callers import Callers

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def test_an_address_has_its_limit_and_gives_back_what_it_had() -> None:
    callers = Callers(2)
    assert [callers.come("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert callers.come("192.0.2.2"), "another one is not concerned"
    callers.go("192.0.2.1")
    assert callers.come("192.0.2.1")


def test_nothing_is_kept_of_who_has_left() -> None:
    callers = Callers(2)
    for _ in range(2):
        assert callers.come("192.0.2.1")
    for _ in range(2):
        callers.go("192.0.2.1")
    callers.come("192.0.2.9")
    callers.go("192.0.2.9")
    assert not callers._open


def test_a_network_of_ipv6_is_one_address() -> None:
    """One customer has 2^64 of them."""
    callers = Callers(1)
    assert callers.come("2001:db8:1:2::1")
    assert not callers.come("2001:db8:1:2:ffff::2")
    assert callers.come("2001:db8:1:3::1")


def test_an_ipv4_address_is_the_same_in_the_clothes_of_ipv6() -> None:
    callers = Callers(1)
    assert callers.come("192.0.2.1")
    assert not callers.come("::ffff:192.0.2.1")


@pytest.mark.parametrize(
    ("address", "counts"),
    [
        ("192.0.2.1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("10.1.2.3", False),
        ("fe80::1%eth0", True),
        ("", False),
    ],
)
def test_this_machine_and_the_proxies_have_no_limit(address: str, *, counts: bool) -> None:
    assert Callers(1, PROXIES).counts(address) is counts


def test_nobody_is_a_proxy_who_is_not_named() -> None:
    assert not Callers(1).is_proxy("127.0.0.1")
    assert [Callers(1, PROXIES).is_proxy(one) for one in ("10.1.2.3", "11.1.2.3")] == [True, False]


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({"x-forwarded-for": "203.0.113.7"}, "203.0.113.7"),
        ({"x-forwarded-for": "1.1.1.1, 203.0.113.7"}, "203.0.113.7"),
        ({"x-forwarded-for": "1.1.1.1, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"),
        ({"x-forwarded-for": "203.0.113.7:4711"}, "203.0.113.7"),
        ({"x-forwarded-for": "[2001:db8::1]:4711"}, "2001:db8::1"),
        ({"x-forwarded-for": "203.0.113.7, unknown"}, None),
        ({"x-forwarded-for": ""}, None),
        ({"x-forwarded-for": "10.0.0.1, 10.0.0.2"}, None),
        ({"forwarded": "for=1.1.1.1, for=203.0.113.7;proto=https;by=10.0.0.1"}, "203.0.113.7"),
        ({"forwarded": 'proto=https; For="[2001:db8::1]:4711"'}, "2001:db8::1"),
        ({"forwarded": "for=_hidden"}, None),
        ({"forwarded": "by=10.0.0.1"}, None),
        ({"forwarded": "for=1.1.1.1", "x-forwarded-for": "203.0.113.7"}, "203.0.113.7"),
        ({}, None),
    ],
)
def test_the_sender_is_the_last_address_that_no_proxy_of_ours_has(
    headers: dict[str, str], sender: str | None
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert Callers(1, PROXIES).behind(raw) == sender


def test_a_header_that_comes_twice_is_one_list() -> None:
    raw = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"203.0.113.7")]
    assert Callers(1, PROXIES).behind(raw) == "203.0.113.7"


def test_thousands_of_invented_hops_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one costs microseconds of the event loop, and a head has room for 30,000."""
    read: list[str] = []
    real = callers._address

    def counted(hop: str) -> str | None:
        read.append(hop)
        return real(hop)

    monkeypatch.setattr(callers, "_address", counted)
    hops = b"1.1.1.1," * 8_000 + b"203.0.113.7, 10.0.0.2"
    assert Callers(1, PROXIES).behind([(b"x-forwarded-for", hops)]) == "203.0.113.7"
    assert len(read) == 2
