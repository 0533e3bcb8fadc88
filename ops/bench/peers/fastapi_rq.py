"""FastAPI that enqueues with RQ; the function is named, as where the worker is another program."""

import os

from fastapi import FastAPI, Request, Response
from redis import Redis
from rq import Queue

queue = Queue(connection=Redis.from_url(os.environ["BROKER_URL"]))
app = FastAPI()


@app.post("/in/{source}", status_code=202)
async def receive(source: str, request: Request) -> Response:
    """Enqueue the body for a worker, and answer."""
    queue.enqueue("handlers.handle", source, (await request.body()).decode())
    return Response(status_code=202)
