"""Free TCP ports for the tests' own servers."""

import random
import socket

# Below the kernel's ephemeral range (32768 and up): a server that is killed and started again on
# its port must not find it taken by some client's outgoing connection.
FIRST, LAST = 20_000, 32_000


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens now."""
    for _ in range(200):
        port = random.SystemRandom().randint(FIRST, LAST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = f"no free port between {FIRST} and {LAST} on 127.0.0.1"
    raise RuntimeError(message)
