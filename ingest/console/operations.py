"""What an operation of the console is, and how it is carried out for a request.

Everything about one stands in its ``Operation``: what it is asked and answers, how it is found and
what it does. ``openapi.py`` describes the same objects that are served here.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import anyio
import anyio.to_thread
import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ingest.console.asking import Asked, read
from ingest.console.desk import Desk
from ingest.console.refusals import JSON, failed, refused, wrong_method
from ingest.errors import HookkeeperError

logger = structlog.get_logger(__name__)

A = TypeVar("A", bound=Asked)
Answered = BaseModel | Response


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[A]):
    """One thing that the console does.

    ``does``: a plain function runs in a thread, where it may use the database; an async one runs
    on the event loop. What it returns is sent with the first status of ``answers``; a Response is
    sent as it is. ``answers``: by status, None where the body is not JSON but ``media_type``.
    ``refuses``: the statuses of its own refusals, beside those that any operation may have.
    """

    method: Literal["GET", "POST"]
    path: str
    name: str
    tag: str
    summary: str
    asks: type[A]
    does: Callable[[Desk, A], Answered] | Callable[[Desk, A], Awaitable[Answered]]
    answers: Mapping[int, type[BaseModel] | None]
    refuses: Sequence[int] = ()
    media_type: str = JSON
    public: bool = False

    @property
    def status(self) -> int:
        """Of an ordinary success."""
        return next(iter(self.answers))

    async def answer(self, desk: Desk, request: Request) -> Response:
        """Carry it out. Raises HookkeeperError."""
        asked = await read(self.asks, request)
        done = await self._done(desk, asked)
        return done if isinstance(done, Response) else reply(done, self.status)

    async def _done(self, desk: Desk, asked: A) -> Answered:
        does: Callable[[Desk, A], Any] = self.does
        call = functools.partial(does, desk, asked)
        if inspect.iscoroutinefunction(does):
            answered: Answered = await call()
        else:
            answered = await anyio.to_thread.run_sync(call, limiter=desk.threads)
        return answered


def reply(model: BaseModel, status: int = 200, *, location: str | None = None) -> Response:
    """A model as JSON; ``location``: where what was made can be looked at."""
    headers = {} if location is None else {"location": location}
    return Response(model.model_dump_json(), status, headers, JSON)


def routes(operations: Sequence[Operation[Any]], desk: Desk) -> list[Route]:
    """The routes of a table: one for each path, which knows the methods of all its operations."""
    paths: dict[str, dict[str, Operation[Any]]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    return [Route(path, Resource(methods, desk)) for path, methods in paths.items()]


class Resource:
    """What stands at one path."""

    def __init__(self, methods: Mapping[str, Operation[Any]], desk: Desk) -> None:
        self._methods = methods
        self._desk = desk

    def name_of(self, method: str) -> str | None:
        """Name the operation of a method; None where it has none."""
        operation = self._methods.get(method)
        return operation.name if operation else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; every error becomes an answer."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except HookkeeperError as error:
            response = refused(error)
        except Exception:
            logger.exception("console.failed", method=request.method, path=request.url.path)
            response = failed()
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        operation = self._methods.get(request.method)
        if operation is None:
            raise wrong_method(self._methods)
        response = await operation.answer(self._desk, request)
        if operation.method != "GET":
            logger.info(
                "console.done",
                operation=operation.name,
                status=response.status_code,
                **request.path_params,
            )
        return response
