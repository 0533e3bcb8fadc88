"""Who is at the other end, and how many connections each address has: one may not take them all.

Behind a proxy the address is what the proxy says, in ``X-Forwarded-For`` or ``Forwarded`` (RFC
7239), and only a proxy that is configured is believed: anybody can send these headers. A proxy
itself, and what runs on this machine, has as many connections as it likes; through a proxy the
requests count that are not here yet, for they are what a slow sender holds.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from ingest.addresses import Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
#: What one customer of a provider gets; within it a new address costs nothing.
_IPV6_PREFIX = 64
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*"?\[?([^\]";]+)', re.IGNORECASE)
_PORT = re.compile(r"(?P<address>[0-9.]+):[0-9]+|\[(?P<six>[0-9A-Fa-f:.]+)\](?::[0-9]+)?")


class Callers:
    """Counts by address. ``limit``: how many an address may have at the same time.

    ``free``: networks that are not counted. For one event loop.
    """

    def __init__(
        self, limit: int, trusted: Sequence[Network] = (), free: Sequence[Network] = LOOPBACK
    ) -> None:
        self._limit = limit
        self._trusted = tuple(trusted)
        self._free = (*trusted, *free)
        self._open: Counter[str] = Counter()

    def is_proxy(self, address: str) -> bool:
        """Whether what this peer says of its own senders is believed."""
        return bool(self._trusted) and _within(address, self._trusted)

    def counts(self, address: str) -> bool:
        """Whether the connections of this peer have a limit."""
        return not _within(address, self._free)

    def come(self, address: str) -> bool:
        """Count one more of an address; False, and not counted, where it has enough."""
        key = _key(address)
        if self._open[key] >= self._limit:
            return False
        self._open[key] += 1
        return True

    def go(self, address: str) -> None:
        """One that had come is gone."""
        key = _key(address)
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def behind(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the sender's address by the word of a trusted proxy; None: it does not say.

        Each proxy adds to the right what it saw, so the last address that is no proxy of ours is
        the sender's; what stands left of it is the sender's own invention. A proxy that writes
        ``Forwarded`` has to drop ``X-Forwarded-For``, which is the one that is read.
        """
        said = [(name, value.decode("latin-1")) for name, value in headers]
        hops = [value for name, value in said if name == b"x-forwarded-for"]
        forwarded = [] if hops else [value for name, value in said if name == b"forwarded"]
        read = _address if hops else _forwarded
        # One after another from the right: a sender may have invented thousands.
        for address in map(read, reversed(",".join(hops or forwarded).split(","))):
            if address is None or not _within(address, self._trusted):
                return address
        return None


def _forwarded(element: str) -> str | None:
    found = _FOR.search(element)
    return _address(found[1]) if found else None


def _address(text: str) -> str | None:
    """The address of a hop, without its port; None for what is none ("unknown", "_hidden")."""
    text = text.strip()
    ported = _PORT.fullmatch(text)
    if ported is not None:
        text = ported["address"] or ported["six"]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


@lru_cache(maxsize=1_024)  # the same few proxies and senders come again and again
def _within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        plain = ip_address(address.partition("%")[0])
    except ValueError:  # a socket of this machine has no address
        return True
    if isinstance(plain, IPv6Address) and plain.ipv4_mapped is not None:
        plain = plain.ipv4_mapped
    return any(plain.version == network.version and plain in network for network in networks)


@lru_cache(maxsize=4_096)
def _key(address: str) -> str:
    plain = ip_address(address.partition("%")[0])
    if not isinstance(plain, IPv6Address):
        return address
    if plain.ipv4_mapped is not None:
        return str(plain.ipv4_mapped)
    return str(ip_network((plain, _IPV6_PREFIX), strict=False))
