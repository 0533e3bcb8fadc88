"""Answers to the requests by which a provider checks an address before it sends events there.

Pure: a request in, an answer or None out. An answered handshake is no event and is not stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ingest.verify import Provider, Request, Secret, Verified, verify

_LONGEST_CHALLENGE: Final = 1_024  # characters; Slack's has 52. Nothing longer is echoed


@dataclass(frozen=True, slots=True)
class Response:
    """What to send back, as it is."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def methods(provider: Provider) -> frozenset[str]:
    """Name the HTTP methods that a source of this provider takes, POST among them."""
    return _METHODS.get(provider.handshake or "", _POST)


def answer(
    provider: Provider,
    request: Request,
    options: Mapping[str, Any],  # noqa: ARG001 -- verify tokens of other providers; Slack has none
    secrets: Sequence[Secret],
    now: int | None,
) -> Response | None:
    """Answer a handshake; None where the request is none, so that it is verified as an event.

    A handshake that the provider signs is answered only if the signature holds. With no secret
    configured there is nothing to hold it against: the challenge is echoed (it proves only that
    this address listens, and is answered as JSON that no browser will render), while events of
    such a source are still refused. A source in the configuration always has a secret.
    """
    if provider.handshake != "slack" or request.method != "POST":
        return None
    challenge = _slack_challenge(request.body)
    if challenge is None:
        return None
    if secrets and not isinstance(verify(provider, request, secrets, now), Verified):
        return None
    return Response(
        status=200,
        headers=(("content-type", "application/json"), ("x-content-type-options", "nosniff")),
        body=orjson.dumps({"challenge": challenge}),
    )


_POST: Final = frozenset({"POST"})
_METHODS: Final[Mapping[str, frozenset[str]]] = {"slack": _POST}


def _slack_challenge(body: bytes) -> str | None:
    """Find the challenge (https://docs.slack.dev/reference/events/url_verification)."""
    if b"url_verification" not in body:  # spares every event a second parse
        return None
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or message.get("type") != "url_verification":
        return None
    challenge = message.get("challenge")
    if not isinstance(challenge, str) or not 0 < len(challenge) <= _LONGEST_CHALLENGE:
        return None
    return challenge
