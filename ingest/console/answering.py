"""The form of what is answered: times in milliseconds since the epoch, UTC; ids are UUIDv7."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T", bound=BaseModel)


class Answer(BaseModel):
    """Something that is told. It is read from what the store returns, by the same names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Page(Answer, Generic[T]):
    """A piece of a list."""

    items: list[T]
    next: str | None = Field(
        description="Give it as `after` to go on from here; null: that was the last page."
    )


class Fault(Answer):
    """Why something was not done."""

    code: str = Field(description="A stable word, for programs.")
    message: str = Field(description="For people.")
    field: str | None = Field(default=None, description="The part of the request that is wrong.")


class Failure(Answer):
    """The body of every error."""

    error: Fault
