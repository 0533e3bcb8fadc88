"""Imports modules and prints what that did to the world outside; run in a process of its own.

Usage: python -m tests.rules.importing MODULE...
Prints one JSON object: {"effects": ["module: effect", ...], "loaded": [names in sys.modules]}.
"""

import importlib
import json
import os
import sys
import threading

SOCKETS = {"socket.__new__", "socket.bind", "socket.connect", "socket.getaddrinfo"}
PROCESSES = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system"}
DATABASES = {"sqlite3.connect"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
WATCHED = SOCKETS | PROCESSES | DATABASES


def describe(event: str, arguments: tuple[object, ...]) -> str | None:
    """Say what an audit event did, or nothing where it is harmless."""
    if event in WATCHED:
        return event
    if event != "open":
        return None
    path, mode, flags = arguments
    writes = isinstance(flags, int) and flags & WRITING
    if isinstance(mode, str) and set(mode) & set("wax+"):
        writes = True
    return f"opens {path} for writing" if writes and path != os.devnull else None


def main(names: list[str]) -> None:
    """Import each module in turn, and blame it for what happens, a failure too."""
    effects: list[str] = []
    current = ""

    def blame(effect: str | None) -> None:
        if effect is not None and current:
            effects.append(f"{current}: {effect}")

    start = threading.Thread.start

    def watched_start(thread: threading.Thread) -> None:
        blame("starts a thread")  # Python 3.11 has no audit event for it
        start(thread)

    threading.Thread.start = watched_start  # type: ignore[method-assign, assignment]  # in this process only
    sys.addaudithook(lambda event, arguments: blame(describe(event, arguments)))
    for name in names:
        current = name
        try:
            importlib.import_module(name)
        except ImportError as error:
            blame(f"fails: {error}")
    current = ""
    print(json.dumps({"effects": effects, "loaded": sorted(sys.modules)}))  # noqa: T201 - its result


if __name__ == "__main__":
    main(sys.argv[1:])
