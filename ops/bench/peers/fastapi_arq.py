"""FastAPI that enqueues with ARQ, whose client is asyncio like the server.

The pool is made once, in the application's lifespan (FastAPI's and ARQ's documentation).
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Request, Response


@asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Connect to Redis for as long as the application runs."""
    pool = await create_pool(RedisSettings.from_dsn(os.environ["BROKER_URL"]))
    application.state.pool = pool
    yield
    await pool.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/in/{source}", status_code=202)
async def receive(source: str, request: Request) -> Response:
    """Enqueue the body for a worker, and answer."""
    body = await request.body()
    await request.app.state.pool.enqueue_job("handle", source, body.decode())
    return Response(status_code=202)
