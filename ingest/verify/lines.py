"""``hookkeeper verify --jsonl``: one request or handshake as a JSON object in, one verdict out."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.verify.handshakes.acknowledging import acknowledgement
from ingest.verify.handshakes.answering import answer
from ingest.verify.handshakes.configured import read_config
from ingest.verify.handshakes.response import Response
from ingest.verify.key_set import NO_KEYS, KeySet, read_document
from ingest.verify.keys import PUBLIC_KEY_PREFIX
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Request, Secret, Verified
from ingest.verify.verification import verify
from ingest.verify.web_tokens import SHARED

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_KEY_PAIRS: Final = frozenset({"ed25519", "ecdsa", "rsa"})
_SECRET_WORDS: Final = frozenset({"secret", "secrets", "public_key"})


class _Line(BaseModel):
    """The form of data/vectors/signatures.jsonl; words that it does not use are left alone."""

    model_config = ConfigDict(strict=True)

    provider: str
    method: str = "POST"
    url: str = ""
    headers: dict[str, str | list[str]] | list[list[str]] = Field(default_factory=dict)
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
        text = self.body or ""
        body = _utf8(text) if self.body_encoding == "utf8" else _decode(text)
        return Request(self.method, self.url, tuple(self._pairs()), body)

    def _pairs(self) -> Iterator[tuple[str, str]]:
        """The headers by name, of which one may have several values; or a list of pairs."""
        if isinstance(self.headers, dict):
            for name, values in self.headers.items():
                yield from (
                    (name, each) for each in ([values] if isinstance(values, str) else values)
                )
            return
        for pair in self.headers:
            name, value = pair
            yield name, value

    def secrets_given(self, provider: Provider) -> list[Secret]:
        """Collect every secret of the line; a public key never stands for a shared one."""
        values = [self.secret, *(self.secrets or [])]
        if self.public_key is not None:
            values += _public_key(provider, self.public_key)
        return [Secret("line", _utf8(value)) for value in values if value is not None]

    def options_given(self, provider: Provider) -> dict[str, str]:
        """The options that are text; ``public_key`` among them where the provider has it there."""
        given = {word: text for word, text in (self.options or {}).items() if isinstance(text, str)}
        own = "public_key" in provider.options and self.public_key is not None
        return {"public_key": self.public_key or "", **given} if own else given


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
    given = parsed.options or {}
    chosen = _with_options(provider, given)
    verdict = verify(
        chosen,
        request,
        parsed.secrets_given(chosen),
        _ms(parsed.now),
        options=parsed.options_given(chosen),
        keys=_keys(given if "secret" not in chosen.content.atoms else _with_key(given, parsed)),
    )
    return _verdict(name, verdict)


def _public_key(provider: Provider, text: str) -> list[str]:
    """The key as a secret of this provider; [] where it proves nothing."""
    if provider.family == "standard_webhooks":
        marked = PUBLIC_KEY_PREFIX.decode()
        return [marked + text.removeprefix(marked)]
    return [text] if any(map(_takes_key, (provider, *provider.alternatives))) else []


def _takes_key(way: Provider) -> bool:
    if way.family == "jwt":
        return SHARED.keys().isdisjoint(way.token_algorithms)
    return way.family in _KEY_PAIRS


def _with_key(options: Mapping[str, Any], line: _Line) -> Mapping[str, Any]:
    """Take ``public_key`` for the key that would have been fetched, where a secret is signed."""
    return options if line.public_key is None else {"certificate_pem": line.public_key, **options}


def _with_options(provider: Provider, options: Mapping[str, Any]) -> Provider:
    tolerance = options.get("tolerance")
    if type(tolerance) is not int or tolerance <= 0:
        return provider
    others = tuple(_with_options(each, options) for each in provider.alternatives)
    return provider.model_copy(update={"tolerance_seconds": tolerance, "alternatives": others})


def _keys(options: Mapping[str, Any]) -> KeySet:
    """Take keys that would have been fetched, from wherever, as the line gives them."""
    certificate, keys = options.get("certificate_pem"), options.get("jwks")
    if isinstance(certificate, str):
        return KeySet(anywhere=read_document(_utf8(certificate)))
    if isinstance(keys, dict):
        with contextlib.suppress(orjson.JSONEncodeError):  # a number of more than 64 bits
            return KeySet(anywhere=read_document(orjson.dumps(keys)))
    return NO_KEYS


def _handshake(
    provider: Provider | None, request: Request, config: Mapping[str, Any], now: float | None
) -> dict[str, Any] | None:
    if provider is None:
        return None
    options, secrets = read_config(provider, config)
    at = config.get("now")
    clock = _ms(at if isinstance(at, int | float) and 0 <= at <= _LAST_SECOND else now)
    told = {word: value for word, value in options.items() if isinstance(value, str)}
    keys = _keys(config)
    response = answer(provider, request, options, secrets, clock, keys=keys, assumed=True)
    if response is None and provider.success_body:  # no handshake, but an event with own words
        verdict = verify(provider, request, secrets, clock, keys=keys) if secrets else None
        if isinstance(verdict, Rejected):
            response = Response(provider.failure_status, (), b"")
        else:
            response = acknowledgement(provider, request, options=told, secrets=secrets, now=clock)
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
