"""Which network addresses an outbound request may go to. Pure.

A name may resolve to anything, so what is checked is the address that will be connected to.
Everything is refused that is not plainly public unicast: the registries of special addresses
(https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry) and every
form of IPv6 address that carries an IPv4 address, for those are the ways around such checks
(research/ops.md §3.6). Python's own ``is_global`` changes between releases; the list does not.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_REFUSED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",  # discard
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",  # segment routing
        "fc00::/7",  # unique local
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
)


def is_permitted(text: str, allow: Iterable[Network] = ()) -> bool:
    """Whether an address, as the resolver wrote it, is public or inside ``allow``.

    An IPv4-mapped address is judged as the IPv4 address that the system would connect to.
    Raises ValueError for what is no address.
    """
    address = _plain(ip_address(text))
    if any(_inside(address, network) for network in allow):
        return True
    return address.is_global and not any(_inside(address, network) for network in _REFUSED)


def _plain(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        return IPv6Address(int(address))  # without its zone, which no network has
    return address


def _inside(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network
