"""``python -m ops.bench.httpx_loop URL AT_A_TIME SECONDS BODY``: what httpx does by itself.

One AsyncClient on asyncio's own loop, so many requests at a time for so long, after a second of
the same. BODY is a file, standard input has the headers as JSON. Prints a JSON line: requests,
seconds, and the seconds of CPU time that they took.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

_WARM_UP_SECONDS = 1.0


async def run(
    url: str, at_a_time: int, seconds: float, headers: Mapping[str, str], body: bytes
) -> dict[str, float]:
    """POST for so many seconds and return how much that was."""
    limits = httpx.Limits(max_connections=at_a_time, max_keepalive_connections=at_a_time)
    async with httpx.AsyncClient(limits=limits, timeout=15.0, trust_env=False) as client:

        async def post_until(deadline: float) -> int:
            count = 0
            while time.monotonic() < deadline:
                answer = await client.post(url, content=body, headers=headers)
                answer.raise_for_status()
                count += 1
            return count

        async def post_for(duration: float) -> int:
            deadline = time.monotonic() + duration
            return sum(await asyncio.gather(*[post_until(deadline) for _ in range(at_a_time)]))

        await post_for(_WARM_UP_SECONDS)
        started, cpu_started = time.monotonic(), time.process_time()
        requests = await post_for(seconds)
        spent = time.process_time() - cpu_started
        return {
            "requests": requests,
            "seconds": time.monotonic() - started,
            "cpu_seconds": spent,
        }


if __name__ == "__main__":
    _url, _at_a_time, _seconds, _body = sys.argv[1:]
    _found = run(
        _url, int(_at_a_time), float(_seconds), json.load(sys.stdin), Path(_body).read_bytes()
    )
    print(json.dumps(asyncio.run(_found)))
