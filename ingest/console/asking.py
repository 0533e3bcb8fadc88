"""What a request asks, read strictly: every part is known, of the right type, and given once."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from ingest.config.mistakes import did_you_mean
from ingest.console.refusals import JSON, Refused, invalid

#: Of a JSON body: four times the arguments of a job, the largest thing that it may hold.
LARGEST_BODY = 262_144
LARGEST_PAGE = 200
#: Fields of these names are not parameters.
BODY = "body"
KEY = "idempotency_key"
KEY_HEADER = "Idempotency-Key"

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Asked(BaseModel):
    """What one operation is asked.

    A field is a part of the path where the path names it, the JSON body where it is called
    ``body``, the header Idempotency-Key where it is called ``idempotency_key``, else a parameter
    of the query.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """A JSON body: its values have the types that they are said to have, and are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _milliseconds(value: object) -> object:
    if not isinstance(value, str) or re.fullmatch(r"[0-9]{1,15}", value, re.ASCII):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(
            "expected milliseconds since the epoch, or a time such as 2026-11-23T08:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, such as the Z in 2026-11-23T08:00:00Z")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


#: A time in a query: milliseconds since the epoch, or RFC 3339. In code it is milliseconds.
Moment = Annotated[
    int,
    BeforeValidator(_milliseconds, json_schema_input_type=int | datetime),
    Field(ge=0, lt=1 << 48),  # what the first 48 bits of a UUIDv7 hold
]
Id = Annotated[str, Field(pattern=f"^{_ID}$")]
#: Where a page begins: the id that the page before it named as ``next``.
AfterId = Annotated[Id, Field(description="`next` of the page before.")]
Limit = Annotated[int, Field(ge=1, le=LARGEST_PAGE, description="At most this many.")]
Name = Annotated[str, Field(min_length=1, max_length=255)]
IdempotencyKey = Annotated[
    str,
    Field(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Makes a repeated request answer as the first one did.",
    ),
]

A = TypeVar("A", bound=Asked)


async def read(asks: type[A], request: Request) -> A:
    """Read a request. Raises Refused that names the field that is wrong, and why."""
    given: dict[str, Any] = {**_query(asks, request), **request.path_params}
    if KEY in asks.model_fields and KEY_HEADER in request.headers:
        given[KEY] = request.headers[KEY_HEADER]
    if BODY in asks.model_fields:
        given[BODY] = await _body(request)
    try:
        return asks.model_validate(given)
    except ValidationError as error:
        raise _mistake(error, asks) from None


def whole_id(text: str, noun: str) -> str:
    """The id of something in a path. Raises Refused (404): other text is the id of nothing."""
    if not re.fullmatch(_ID, text, re.ASCII):
        raise Refused(404, "not_found", f"there is no {noun} {text[:64]!r}")
    return text


def _query(asks: type[Asked], request: Request) -> dict[str, str]:
    elsewhere = {BODY, KEY, *request.path_params}
    known = [name for name in asks.model_fields if name not in elsewhere]
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise invalid(name[:64], f"there is no such parameter; {did_you_mean(name, known)}")
        if name in given:
            raise invalid(name, "is given twice")
        given[name] = value
    return given


async def _body(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            raise Refused(413, "too_large", f"a body has at most {LARGEST_BODY:,} bytes")
        pieces.append(piece)
    if not size:
        return {}
    if kind != JSON:
        raise Refused(415, "unsupported_media_type", f"a body is JSON: Content-Type: {JSON}")
    try:
        return orjson.loads(b"".join(pieces))
    except orjson.JSONDecodeError as error:
        raise invalid(BODY, f"is not JSON: {error}") from None


def _mistake(error: ValidationError, asks: type[Asked]) -> Refused:
    """The first mistake's field, and what is wrong with every one."""
    found = [_described(one, asks) for one in error.errors(include_url=False, include_input=False)]
    message = "; ".join(f"{field}: {reason}" for field, reason in found)
    return Refused(422, "invalid", message, field=found[0][0])


def _described(one: ErrorDetails, asks: type[Asked]) -> tuple[str, str]:
    place = [str(part) for part in one["loc"]]
    if place[0] == BODY and len(place) > 1:
        place = place[1:]
    reason = one["msg"].removeprefix("Value error, ")
    if one["type"] == "extra_forbidden":
        body = asks.model_fields[BODY].annotation
        known = body.model_fields if isinstance(body, type) and issubclass(body, Body) else {}
        reason = f"there is no such field; {did_you_mean(place[0], known)}"
    return ".".join(place)[:255], reason
