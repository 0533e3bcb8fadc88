"""``hookkeeper verify --jsonl``: one request or handshake as a JSON object in, one verdict out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.handshake import Response, answer
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Request, Secret, Verified
from ingest.verify.verification import verify

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_SECRET_WORDS: Final = frozenset({"secret", "secrets", "public_key"})


class _Line(BaseModel):
    """The form of data/vectors/signatures.jsonl; words that it does not use are left alone."""

    model_config = ConfigDict(strict=True)

    provider: str
    method: str = "POST"
    url: str = ""
    headers: dict[str, str | list[str]] = Field(default_factory=dict)
    body: str | None = None
    body_encoding: Literal["utf8", "base64"] = "utf8"
    secret: str | None = None
    secrets: list[str] | None = None
    public_key: str | None = None
    options: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    now: int | float | None = Field(default=None, ge=0, le=_LAST_SECOND)

    def request(self) -> Request:
        """Build the request. Raises ValueError where the body is not what its encoding says."""
        headers = tuple(
            (name, value)
            for name, values in self.headers.items()
            for value in ([values] if isinstance(values, str) else values)
        )
        text = self.body or ""
        body = _utf8(text) if self.body_encoding == "utf8" else _decode(text)
        return Request(self.method, self.url, headers, body)

    def keys(self) -> list[Secret]:
        """Collect every secret of the line."""
        values = [self.secret, self.public_key, *(self.secrets or [])]
        return [Secret("line", _utf8(value)) for value in values if value is not None]


def verify_line(line: object, catalogue: Mapping[str, Provider]) -> dict[str, Any]:
    """Judge one line. Never raises, whatever it is.

    A line with ``config`` and no secret is a handshake, whose ``config`` may hold the source's
    ``secret``; it answers ``{"id","response"}``. Any other answers
    ``{"id","valid","reason","event_type","event_id"}``.
    """
    name = line.get("id") if isinstance(line, dict) else None
    try:
        parsed = _Line.model_validate(line)
        request = parsed.request()
    except ValueError as error:
        return _verdict(name, Rejected(Reason.MALFORMED_LINE, _explain(error)))
    provider = catalogue.get(parsed.provider)
    if parsed.config is not None and not _SECRET_WORDS & parsed.model_fields_set:
        return {"id": name, "response": _handshake(provider, request, parsed.config, parsed.now)}
    if provider is None:
        unknown = Rejected(Reason.UNKNOWN_PROVIDER, f"no provider {parsed.provider!r} is known")
        return _verdict(name, unknown)
    chosen = _with_options(provider, parsed.options or {})
    return _verdict(name, verify(chosen, request, parsed.keys(), _ms(parsed.now)))


def _with_options(provider: Provider, options: Mapping[str, Any]) -> Provider:
    tolerance = options.get("tolerance")
    if type(tolerance) is not int or tolerance <= 0:
        return provider
    return provider.model_copy(update={"tolerance_seconds": tolerance})


def _handshake(
    provider: Provider | None, request: Request, config: Mapping[str, Any], now: float | None
) -> dict[str, Any] | None:
    if provider is None:
        return None
    secret = config.get("secret")
    secrets = [Secret("line", _utf8(secret))] if isinstance(secret, str) else []
    told = config.get("now")
    clock = told if isinstance(told, int | float) and 0 <= told <= _LAST_SECOND else now
    response = answer(provider, request, config, secrets, _ms(clock))
    return None if response is None else _shown(response)


def _shown(response: Response) -> dict[str, Any]:
    body = response.body.decode("utf-8", "replace")
    return {"status": response.status, "headers": dict(response.headers), "body": body}


def _verdict(name: object, verdict: Verified | Rejected) -> dict[str, Any]:
    if isinstance(verdict, Verified):
        return {
            "id": name,
            "valid": True,
            "reason": None,
            "event_type": verdict.event_type or None,
            "event_id": verdict.event_id,
        }
    return {
        "id": name,
        "valid": False,
        "reason": verdict.reason.value,
        "event_type": None,
        "event_id": None,
    }


def _utf8(text: str) -> bytes:
    # JSON may hold half a surrogate pair; it encodes to something that matches nothing.
    return text.encode("utf-8", "surrogatepass")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("the body is not base64") from error


def _explain(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return f"{error.error_count()} fields are missing or of the wrong kind"
    return str(error)


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000)
