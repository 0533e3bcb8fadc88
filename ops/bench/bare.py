"""The other side of most comparisons: Starlette that reads a body and answers 202."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def receive(request: Request) -> Response:
    """Read the body and answer; nothing is verified, kept or published."""
    await request.body()
    return Response(status_code=202)


app = Starlette(routes=[Route("/in/{source}", receive, methods=["POST"])])
