"""Bind a listening socket, or say who holds the port. A port is never moved silently."""

import contextlib
import errno
import socket
from pathlib import Path

from ingest.errors import ConfigError

BACKLOG = 2048
_LISTENING = "0A"  # TCP_LISTEN as /proc/net/tcp prints it


def listen(host: str, port: int, *, setting: str = "HOOKKEEPER_PORT") -> socket.socket:
    """A bound, listening, inheritable-by-choice TCP socket; port 0 asks for any free one.

    Raises ``ConfigError`` naming the port's holder, and ``setting`` as the way out.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError) as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error}") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(host, port, setting, error)) from error
    return listener


def _why_not(host: str, port: int, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by {holder(port) or 'another program'}. "
            f"Stop it, or set {setting} to a free port."
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this user has. Set {setting} to 1024 or more."
    return f"cannot listen on {host}:{port}: {error.strerror}. Set {setting}, or its host."


def holder(port: int) -> str | None:
    """Who listens on a TCP port, as ``name (process 123)``, or None where /proc does not tell."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if _open_files(process) & inodes:
            return f"{command_of(int(process.name))} (process {process.name})"
    return "another user's program"


def _open_files(process: Path) -> set[str]:
    """What a process's descriptors lead to; nothing for another user's process."""
    found = set()
    try:
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                found.add(str(entry.readlink()))
    except OSError:
        pass  # not ours to see, or it has just ended
    return found


def _listening_inodes(port: int) -> set[str]:
    """The ``socket:[inode]`` names of listeners on a port, from /proc/net (proc_net(5))."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            rows = Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in (row.split() for row in rows):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def command_of(pid: int) -> str:
    """The start of a process's command line, or "a program" where /proc does not tell."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a program"
    shown = b" ".join(words[:4]).decode(errors="replace").strip()
    return f"`{shown[:80]}`" if shown else "a program"
