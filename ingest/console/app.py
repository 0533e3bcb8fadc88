"""The composition root of the console: ``uvicorn --factory ingest.console.app:create_app``."""

import os
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest import exposition, logs
from ingest.config.settings import Settings, load_settings
from ingest.config.snapshot import Snapshot
from ingest.console import openapi, table
from ingest.console.asking import Asked
from ingest.console.desk import Desk
from ingest.console.gate import Gate
from ingest.console.operations import Operation, routes
from ingest.console.refusals import JSON, Refused, refused
from ingest.console.token import Token
from ingest.lifespan import live
from ingest.verify import load_catalogue


def create_app(settings: Settings | None = None) -> ASGIApp:
    """Build the console. Raises ConfigError; a refused database shows when it is started.

    ``settings``: None reads HOOKKEEPER_* and what a running pipeline of this folder shares.
    """
    settings = settings or load_settings(os.environ, Path.cwd())
    logs.configure(settings.log_level, settings.log_format)
    snapshot = Snapshot(settings.config_path, os.environ, load_catalogue(), load_handlers=True)
    token = Token(settings.console_token, os.environ)
    exposition.prepare(settings.data / "metrics")
    from ingest.console.counting import Counting  # noqa: PLC0415 - after prepare, see there

    desk = Desk(settings, snapshot, token)
    operations = (*table.OPERATIONS, _description(table.OPERATIONS))
    public = {operation.path for operation in operations if operation.public}
    return Counting(Gate(Paths(operations, desk), token, public))


class Paths(Router):
    """The routes of the table, and the life of the process."""

    def __init__(self, operations: tuple[Operation[Any], ...], desk: Desk) -> None:
        super().__init__(
            routes=routes(operations, desk), redirect_slashes=False, default=_nothing_here
        )
        self._desk = desk

    async def lifespan(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Start, wait for the server to stop, and stop."""
        await live(self._desk, receive, send)


def _description(operations: tuple[Operation[Any], ...]) -> Operation[Asked]:
    """The operation that shows the document of all, itself included."""

    def show(_desk: Desk, _asked: Asked) -> Response:
        return Response(described, media_type=JSON)

    operation = Operation(
        method="GET",
        path="/api/v1/openapi.json",
        name="openapi",
        tag="about",
        summary="This document.",
        asks=Asked,
        does=show,
        answers={200: None},
    )
    described = orjson.dumps(openapi.document((*operations, operation)))
    return operation


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        error = Refused(404, "not_found", "There is nothing here; see /api/v1/openapi.json.")
        await refused(error)(scope, receive, send)
