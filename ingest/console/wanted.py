"""Which rows a request means: the same words for exports and for replays."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ingest.console.asking import Body, Name
from ingest.filters import MOST_TYPES

_MOMENT = 'A duration before now ("7d") or a time (ISO 8601, UTC where it names no zone)'
Words = Annotated[str, Field(min_length=1, max_length=255)]


class RowsBody(Body):
    """A filter and a range."""

    dataset: Literal["events", "deliveries"] = "events"
    source: Name | None = None
    types: list[Words] = Field(
        default_factory=list,
        max_length=MOST_TYPES,
        description="Any of these, or of their subtypes; none: all.",
    )
    state: Words | None = None
    destination: Name | None = Field(default=None, description="Only deliveries to this one.")
    since: Words | None = Field(default=None, description=f"{_MOMENT}; null: the beginning.")
    until: Words | None = Field(default=None, description=f"{_MOMENT}; a minute ago at most.")

    def words(self) -> dict[str, Any]:
        """What was said, and only that: as a job keeps it."""
        return self.model_dump(exclude_unset=True, exclude_none=True)
