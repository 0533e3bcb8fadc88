"""Compose, sign and post the events of ``send``, and print the answers."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.errors import NotFound
from ingest.samples import Sample
from ingest.signing import Unsignable
from ingest.simulator.senders import Sender
from ingest.verify import Request

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Parcel:
    """An event, who sends it, and where it is posted. ``body``: the user's own, sent as it is."""

    sender: Sender
    event: str
    body: Sample | None
    url: str


def post(parcel: Parcel, count: int, *, as_json: bool) -> bool:
    """Post it ``count`` times and print each answer; whether every one was a success.

    Raises CommandFailed where nothing listens, or the event cannot be made.
    """
    succeeded = True
    with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
        for _ in range(count):
            request = _request(parcel)
            url = posted_url(parcel.url, request)
            try:
                response = client.post(url, content=request.body, headers=wire_headers(request))
            except httpx.HTTPError as error:
                raise CommandFailed(_unreachable(parcel.url, error), Exit.UNREACHABLE) from error
            succeeded &= response.is_success
            _print(parcel.url, response, as_json=as_json)
    return succeeded


def posted_url(target: str, request: Request) -> str:
    """Where a signed request goes: to the target, with what the signature put into the query."""
    return f"{target.partition('?')[0]}?{request.query}" if request.query else target


def wire_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """Give a request's headers as bytes: a token may hold any of latin-1."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]


def _request(parcel: Parcel) -> Request:
    now, fresh = time.time_ns() // 1_000_000, str(uuid.uuid4())
    try:
        if parcel.body is not None:
            composed = parcel.sender.compose_body(parcel.body, fresh, now)
        else:
            composed = parcel.sender.compose(parcel.event, fresh, now)
        return parcel.sender.sign(composed, now)
    except Unsignable as error:
        raise CommandFailed(f"the event cannot be signed: {error}", Exit.USAGE) from error
    except (NotFound, ValueError) as error:
        raise CommandFailed(f"{error}. Nothing was sent.", Exit.USAGE) from None


def _print(url: str, response: httpx.Response, *, as_json: bool) -> None:
    """``202 accepted 0193...``, or the status and the answer's own words."""
    answer: Any = response.text
    if response.headers.get("content-type", "").startswith("application/json"):
        answer = response.json()
    if as_json:
        output.line({"status": response.status_code, "url": url, "answer": answer})
    elif isinstance(answer, dict) and {"id", "status"} <= answer.keys():
        print(response.status_code, output.printable(answer["status"]), answer["id"])
    else:
        print(response.status_code, output.printable(response.text))


def _unreachable(url: str, error: httpx.HTTPError) -> str:
    return (
        f"nothing took the event at {url} ({error}). Nothing was sent.\n"
        "Is `hookkeeper up` running in this folder? --url posts somewhere else."
    )
