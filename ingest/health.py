"""Is this process alive, and should it get requests? ``/livez`` and ``/readyz``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson
from starlette.types import Receive, Scope, Send


class CommitState(Protocol):
    """What readiness asks of the writer."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be committed, None where all is well."""


class Room(Protocol):
    """What readiness asks of the disk."""

    @property
    def low(self) -> bool:
        """Whether events are refused for lack of room."""


@dataclass
class Health:
    """The causes for which this process refuses events. ``draining`` is set at shutdown."""

    commits: CommitState
    disk: Room
    draining: bool = False

    def checks(self) -> dict[str, str]:
        """Every check by name: ``ok``, or what is wrong, in words that anybody may read."""
        return {
            "database": "cannot commit; the log says why" if self.commits.trouble else "ok",
            "disk": "less free than HOOKKEEPER_DISK_LOW_WATER" if self.disk.low else "ok",
            "shutdown": "draining" if self.draining else "ok",
        }


class Alive:
    """``GET /livez``: the event loop turns."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer 200."""
        await _say(send, 200, {"status": "ok"})


class Ready:
    """``GET /readyz``: 200, or 503 with the checks that failed."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer with every check."""
        checks = self._health.checks()
        ready = all(said == "ok" for said in checks.values())
        said = {"status": "ready" if ready else "not_ready", "checks": checks}
        await _say(send, 200 if ready else 503, said)


async def _say(send: Send, status: int, said: Mapping[str, object]) -> None:
    body = orjson.dumps(said)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
