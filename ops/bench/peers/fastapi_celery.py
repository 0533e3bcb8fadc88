"""FastAPI that enqueues with Celery, over Redis, without a result backend (nobody reads it)."""

import os

from celery import Celery
from fastapi import FastAPI, Request, Response

queue = Celery("bench", broker=os.environ["BROKER_URL"])
queue.conf.task_ignore_result = True
app = FastAPI()


@queue.task
def handle(source: str, body: str) -> None:
    """Do nothing; no worker runs here."""


@app.post("/in/{source}", status_code=202)
async def receive(source: str, request: Request) -> Response:
    """Enqueue the body for a worker, and answer."""
    handle.delay(source, (await request.body()).decode())
    return Response(status_code=202)
