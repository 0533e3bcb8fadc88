"""What ``doctor`` asks of the console of a pipeline that runs. No event depends on it."""

from collections.abc import Iterator

import httpx

from ingest.cli.console import LOOPBACK
from ingest.cli.findings import Finding, ok, warn
from ingest.origin import origin

_SECONDS = 2.0
_NAME = "console"


def check_console(port: int) -> Iterator[Finding]:
    """Whether it can answer."""
    address = origin(LOOPBACK, port)
    try:
        # Not by a proxy of the environment: it is on this machine.
        with httpx.Client(trust_env=False, timeout=_SECONDS) as client:
            answer = client.get(f"{address}/readyz")
    except httpx.HTTPError as error:
        yield warn(
            _NAME,
            f"{address} does not answer ({error}); events are kept and delivered all the same",
            "Start one: hookkeeper console (hookkeeper up starts it too)",
        )
        return
    if answer.status_code == httpx.codes.OK:
        yield ok(_NAME, f"{address} answers")
    else:
        yield warn(_NAME, f"{address} is not ready: {answer.text[:200]}", "Its log says why.")
