"""The shape of hookkeeper.toml, table by table, and its mistakes in words.

Every key may be left out here: whether one is needed depends on the others, and is judged
where the table is turned into a Source, Destination or Route.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ingest.allowance import Rate
from ingest.config.durations import parse_days, parse_duration, parse_rate, parse_size
from ingest.config.mistakes import Mistakes, did_you_mean
from ingest.config.model import DEFAULT_MAX_BODY, DEFAULT_RETENTION_DAYS, DedupeMode
from ingest.rejection import Keeping


def parse_instant(value: object) -> int:
    """Milliseconds since the epoch of a date and time with an offset. Raises ValueError."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        instant = None
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise ValueError(
            f'expected a date, a time and an offset such as "2026-12-01T00:00:00Z", got {value!s}'
        )
    return int(instant.timestamp() * 1_000)


Duration = Annotated[int, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Days = Annotated[int, BeforeValidator(parse_days)]
PerTime = Annotated[Rate, BeforeValidator(parse_rate)]
Instant = Annotated[int, BeforeValidator(parse_instant)]
Count = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """A TOML table: exactly these keys, exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SecretEntry(Table):
    """One of a source's secrets, where it is written as a table; ``expires`` in ms."""

    value: str | None = Field(None, examples=['"env:GITHUB_WEBHOOK_SECRET"'])
    expires: Instant | None = None


class RejectedTable(Table):
    """[sources.<name>.rejected]."""

    size: Size = Keeping().size
    rate: Count = Field(Keeping().rate, examples=["600"])
    total: Size = Keeping().total
    keep: Days = Keeping().days


class SourceTable(Table):
    """[sources.<name>]. ``scheme`` is checked as catalogue entries are, ``secrets`` one by one."""

    provider: str | None = Field(None, examples=['"github"'])
    scheme: dict[str, Any] | None = Field(None, examples=['{ family = "hmac", ... }'])
    secrets: list[Any] = Field([], examples=['["env:GITHUB_WEBHOOK_SECRET"]'])
    #: Accept what a sender that signs nothing sends: the source's name is all that is secret then.
    unproved: bool = False
    max_body: Size = DEFAULT_MAX_BODY
    dedupe: DedupeMode = "provider"
    dedupe_window: Duration | None = None
    retention: Days | None = None
    options: dict[str, str] = Field({}, examples=['{ key = "value" }'])
    rate_limit: PerTime | None = None
    rejected: Any = Field({}, examples=['{ rate = 600, total = "100MB", keep = "14d" }'])


class RetryTable(Table):
    """[destinations.<name>.retry]."""

    base: Duration | None = None
    cap: Duration | None = None
    span: Duration | None = None
    attempts: Count | None = Field(None, examples=["20"])


class DestinationTable(Table):
    """[destinations.<name>]. Which keys there are depends on the kind."""

    kind: str = Field("http", examples=['"email"'])
    url: str | None = Field(None, examples=['"https://billing.example.com/hooks"'])
    secret: str | None = Field(None, examples=['"env:BILLING_SECRET"'])
    timeout: Duration | None = None
    concurrency: Count | None = Field(None, examples=["10"])
    allow: list[str] = Field([], examples=['["10.0.0.0/8"]'])
    headers: dict[str, str] = Field({}, examples=['{ X-Team = "billing" }'])
    retry: RetryTable = Field(RetryTable(), examples=['{ base = "5s", span = "3d" }'])
    user: str | None = Field(None, examples=['"hookkeeper"'])
    password: str | None = Field(None, examples=['"env:SMTP_PASSWORD"'])
    starttls: bool | None = Field(None, examples=["true"])
    sender: str | None = Field(None, alias="from", examples=['"Hookkeeper <hooks@example.com>"'])
    to: list[str] = Field([], examples=['["oncall@example.com"]'])
    subject: str | None = Field(None, examples=['"{{ event.title }}"'])
    text: str | None = Field(None, examples=['"file:templates/message.txt"'])
    html: str | None = Field(None, examples=['"file:templates/message.html"'])
    digest: Duration | None = None


class AlertsTable(Table):
    """[alerts]."""

    to: list[str] = Field([], examples=['["oncall"]'])
    cooldown: Duration | None = None
    window: Duration | None = None
    dead_letters: Count | None = Field(None, examples=["1"])
    failing: Duration | None = None
    bad_signatures: Count | None = Field(None, examples=["20"])
    backlog: Duration | None = None


class ExportsTable(Table):
    """[exports]."""

    to: list[str] = Field([], examples=['["exports", "s3://bucket/hookkeeper"]'])


class RouteTable(Table):
    """One of [[routes]]."""

    source: str | None = Field(None, examples=['"github"'])
    types: list[str] = Field([], examples=['["push", "issues.*"]'])
    where: str | None = Field(None, examples=['"repository.private == `false`"'])
    to: list[str] = Field([], examples=['["billing"]'])


class ScheduleTable(Table):
    """[schedules.<name>]."""

    cron: str | None = Field(None, examples=['"0 2 * * *"'])
    zone: str | None = Field(None, examples=['"Europe/Berlin"'])
    every: Duration | None = None
    job: str | None = Field(None, examples=['"export"'])
    args: list[Any] = Field([], examples=['["thumbnails"]'])
    kwargs: dict[str, Any] = Field({}, examples=['{ to = "exports" }'])
    queue: str | None = Field(None, examples=['"jobs"'])
    catch_up: str = Field("once", examples=['"once"'])
    enabled: bool = Field(True, examples=["false"])


class ExportArguments(Table):
    """The ``kwargs`` of a schedule whose job is ``export``."""

    to: str | None = Field(None, examples=['"exports"'])
    dataset: str = Field("events", examples=['"events"'])
    format: str = Field("parquet", examples=['"jsonl"'])
    source: str | None = Field(None, examples=['"github"'])
    types: list[str] = Field([], examples=['["push"]'])
    state: str | None = Field(None, examples=['"dead"'])
    destination: str | None = Field(None, examples=['"billing"'])
    since: str | None = Field(None, examples=['"last"'])
    until: str | None = Field(None, examples=['"1h"'])


class ReplayArguments(Table):
    """The ``kwargs`` of a schedule whose job is ``bulk_replay``."""

    dataset: str = Field("events", examples=['"deliveries"'])
    source: str | None = Field(None, examples=['"github"'])
    types: list[str] = Field([], examples=['["push"]'])
    state: str | None = Field(None, examples=['"dead"'])
    destination: str | None = Field(None, examples=['"billing"'])
    since: str | None = Field(None, examples=['"1d"'])
    until: str | None = Field(None, examples=['"1h"'])
    to: str | None = Field(None, examples=['"billing"'])
    rate: float | None = Field(None, examples=["50"])


class NoArguments(Table):
    """The ``kwargs`` of [schedules.retention]: what it does is said elsewhere."""


class CleanupArguments(Table):
    """The ``kwargs`` of [schedules.cleanup]."""

    keep: Days = 7


class ReportArguments(Table):
    """The ``kwargs`` of [schedules.report]."""

    to: list[str] = Field([], examples=['["oncall"]'])
    keep: Count = Field(90, examples=["90"])


class FileTable(Table):
    """The top of the file. The tables below it are read one by one, to find every mistake."""

    handlers: list[str] = Field([], examples=['["handlers"]'])
    retention: Days = DEFAULT_RETENTION_DAYS
    sources: dict[str, Any] = Field({}, examples=["[sources.github]"])
    destinations: dict[str, Any] = Field({}, examples=["[destinations.billing]"])
    routes: list[Any] = Field([], examples=["[[routes]]"])
    alerts: dict[str, Any] | None = Field(None, examples=["[alerts]"])
    schedules: dict[str, Any] = Field({}, examples=["[schedules.nightly]"])
    exports: dict[str, Any] | None = Field(None, examples=["[exports]"])


AnyTable = TypeVar("AnyTable", bound=Table)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a table by the key that the file has; ``from`` is no name in Python."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
#: Keys whose wrong values may be secrets that somebody pasted.
_PRIVATE = frozenset({"headers", "password", "secret", "secrets", "value"})


def read_table(
    model: type[AnyTable], raw: object, table: str, mistakes: Mistakes
) -> AnyTable | None:
    """The table without the keys that are wrong, which are noted; None where it is no table."""
    if not isinstance(raw, Mapping):
        mistakes.add(table, "", f"expected a table, got {raw!r}")
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        note(error, model, table, mistakes)
        wrong = {each["loc"][0] for each in error.errors()}
        return model.model_validate({key: raw[key] for key in raw if key not in wrong})


def note(error: ValidationError, model: type[BaseModel], table: str, mistakes: Mistakes) -> None:
    """Note every mistake that pydantic found, in our words."""
    for each in error.errors():
        key = ".".join(str(part) for part in each["loc"] if isinstance(part, str))
        mistakes.add(table, key, _words(each, model))


def _words(error: ErrorDetails, model: type[BaseModel]) -> str:
    *parents, key = error["loc"] or ("",)
    inner = _model_at(model, parents)
    if error["type"] == "extra_forbidden":
        return f"unknown key; {did_you_mean(str(key), keys_of(inner))}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    example = _example(model, error["loc"])
    if error["type"] == "missing":  # a scheme without family
        return f"is missing{example}"
    fallback = error["msg"].replace("Input should be", "expected")
    words = _EXPECTED.get(error["type"])
    text = f"expected {words}{example}" if words else fallback
    return text if _PRIVATE & set(error["loc"]) else f"{text}, got {error['input']!r}"


def _example(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """The example of the innermost field of a location that has one."""
    found = ""
    for part in loc:
        field = keys_of(model).get(str(part))
        if field is not None:
            found = f", such as {field.examples[0]}" if field.examples else ""
            model = _models_in(field.annotation) or model
    return found


def _model_at(model: type[BaseModel], loc: list[int | str]) -> type[BaseModel]:
    for part in loc:
        field = keys_of(model).get(str(part))
        model = (field and _models_in(field.annotation)) or model
    return model


def _models_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as ``list[SecretEntry]`` holds, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _models_in(each))), None)
