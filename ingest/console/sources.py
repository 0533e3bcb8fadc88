"""Sources: who may send, and how that is proved."""

from typing import Any

from pydantic import Field

from ingest.config.model import Config, DedupeMode, Source
from ingest.console.answering import Answer, Page
from ingest.console.asking import Asked
from ingest.console.desk import Desk
from ingest.console.operations import Operation


class SecretItem(Answer):
    """A secret by its name, such as env:GITHUB_WEBHOOK_SECRET; never its value."""

    name: str
    expires_at: int | None


class SourceItem(Answer):
    """A source of the configuration."""

    name: str
    path: str = Field(description="Of the receiver: senders post there.")
    provider: str
    max_body: int = Field(description="Bytes; a larger body is answered 413.")
    dedupe: DedupeMode
    retention_days: int
    secrets: list[SecretItem]


def list_sources(desk: Desk, _asked: Asked) -> Page[SourceItem]:
    """All of them; there is no second page."""
    config = desk.loaded.config
    items = [_item(source, config) for source in config.sources.values()]
    return Page(items=items, next=None)


def _item(source: Source, config: Config) -> SourceItem:
    own = source.retention_days
    return SourceItem(
        name=source.name,
        path=f"/in/{source.name}",
        provider=source.provider.slug,
        max_body=source.max_body,
        dedupe=source.dedupe,
        retention_days=config.retention_days if own is None else own,
        secrets=[SecretItem.model_validate(secret) for secret in source.secrets],
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/api/v1/sources",
        name="list_sources",
        tag="sources",
        summary="List the sources of the configuration.",
        asks=Asked,
        does=list_sources,
        answers={200: Page[SourceItem]},
    ),
)
