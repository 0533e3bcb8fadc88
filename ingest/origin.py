"""Under which scheme and address senders know the receiver: what providers that sign URLs sign.

Never by the Host header: whoever sends a request writes it, and a genuine request to another server
of the same account would hold here, too.
"""

_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  compared, not bound


def reachable(host: str) -> str:
    """The address at which a server that listens on ``host`` is reached from this machine."""
    return _UNSPECIFIED.get(host, host)


def origin(host: str, port: int | str) -> str:
    """``http://host:port`` of a server here, IPv6 in brackets."""
    address = reachable(host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def moved(url: str, to: str) -> str:
    """The same URL at another origin (``https://hooks.example.com``); the rest stays as it came.

    By no parser: what one tidies is no longer what was signed.
    """
    return to + "/" + url.partition("://")[2].partition("/")[2]
