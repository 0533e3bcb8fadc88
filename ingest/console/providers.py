"""Providers of the catalogue: who can be named in the configuration, and how each is set up."""

from typing import Any, Literal

from pydantic import Field

from ingest.console.answering import Answer, Page
from ingest.console.asking import Asked, Name
from ingest.console.desk import Desk
from ingest.console.operations import Operation
from ingest.console.refusals import Refused
from ingest.providers.finding import find
from ingest.providers.sheet import sheet
from ingest.verify import load_catalogue
from ingest.verify.words import Family

_PATH = "/api/v1/providers"


class ProviderItem(Answer):
    """A provider in a list."""

    slug: str = Field(description="What `provider` of a source says.")
    name: str
    family: Family = Field(description="The kind of proof.")
    evidence: str = Field(description="How far the entry can be trusted.")
    docs: str


class PlaceItem(Answer):
    """Where a request says something."""

    where: str
    signed: Literal["yes", "no", "in part"]


class ProviderDetail(Answer):
    """All that is known of a provider, in words."""

    provider: str
    name: str
    docs: str
    evidence: str
    evidence_means: str
    setup: str = Field(description="Where the address goes, and where the secret is found.")
    address: str = Field(description="What is pasted at the provider.")
    source: str = Field(description="The block for hookkeeper.toml.")
    options: dict[str, str] = Field(description="What the source's options may hold.")
    family: Family
    family_means: str
    algorithm: str
    signature: str = Field(description="Where the proof stands in a request.")
    signed: str = Field(description="What the proof covers.")
    also: list[str] = Field(description="Its other ways to sign, each in a line.")
    secret: str = Field(description="What the secret looks like.")
    timestamp: str | None
    tolerance_seconds: int | None
    event_type: PlaceItem | None
    event_id: PlaceItem | None
    dedupe: str
    handshakes: list[str]
    success: str
    failure_status: int
    deadline_seconds: float | None = Field(description="Null: not documented.")
    retry_window_seconds: int | None = Field(description="Null: not documented.")
    retry_waits_seconds: list[int] = Field(description="Before each retry, where documented.")
    retries: int | None = Field(description="How often it sends again. Null: not documented.")
    send: str | None = Field(description="Null: nobody but the provider can sign.")


class ListProviders(Asked):
    """Filters of the list of providers."""

    text: Name | None = Field(default=None, description="A part of the name.")
    family: Family | None = None
    evidence: Literal["proven", "documented", "community"] | None = None


class OneProvider(Asked):
    """Names a provider."""

    name: str


def list_providers(_desk: Desk, asked: ListProviders) -> Page[ProviderItem]:
    """All that fit; there is no second page."""
    found = find(load_catalogue(), asked.text, asked.family, asked.evidence)
    return Page(items=[ProviderItem.model_validate(one) for one in found], next=None)


def get_provider(desk: Desk, asked: OneProvider) -> ProviderDetail:
    """The sheet of one."""
    found = load_catalogue().get(asked.name)
    if found is None:
        raise Refused(404, "not_found", f"there is no provider {asked.name[:64]!r}")
    return ProviderDetail.model_validate(sheet(found, public_url=desk.public_url))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path=_PATH,
        name="list_providers",
        tag="providers",
        summary="List the providers that a source can name.",
        asks=ListProviders,
        does=list_providers,
        answers={200: Page[ProviderItem]},
    ),
    Operation(
        method="GET",
        path=_PATH + "/{name}",
        name="get_provider",
        tag="providers",
        summary="Look at a provider: how it is set up, what proves its requests, what it expects.",
        asks=OneProvider,
        does=get_provider,
        answers={200: ProviderDetail},
        refuses=(404,),
    ),
)
