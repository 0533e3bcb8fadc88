"""Starlette that enqueues with Dramatiq's own Redis broker and its default middleware."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

broker = RedisBroker(url=os.environ["BROKER_URL"])  # type: ignore[no-untyped-call]  # Dramatiq's own
dramatiq.set_broker(broker)


@dramatiq.actor
def handle(source: str, body: str) -> None:
    """Do nothing; no worker runs here."""


async def receive(request: Request) -> Response:
    """Enqueue the body for a worker, and answer."""
    handle.send(request.path_params["source"], (await request.body()).decode())
    return Response(status_code=202)


app = Starlette(routes=[Route("/in/{source}", receive, methods=["POST"])])
