"""One handshake of an entry: what is asked, and what is answered, as data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ingest.verify.handshakes.conditions import Condition, are_empty, has_only, is_single
from ingest.verify.handshakes.reply import Document, Keyed, Reply
from ingest.verify.places import Atom, Reading

Method = Literal["GET", "HEAD", "OPTIONS", "POST"]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _atoms(value: object) -> object:
    listed = _listed(value)
    if not isinstance(listed, tuple | list):
        return value
    return tuple(Atom.parse(each) if isinstance(each, str) else each for each in listed)


def _atom(value: object) -> object:
    return Atom.parse(value) if isinstance(value, str) else value


def _conditions(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return tuple(Condition.parse(str(place), str(wanted)) for place, wanted in value.items())


def _reply(value: object) -> object:
    return Reply.parse(value) if isinstance(value, str) else value


def _replies(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {str(name): Reply.parse(text) for name, text in value.items()}


class Handshake(BaseModel):
    """A question and its answer.

    Asked: by one of the ``method``s, where ``when`` says of places what stands there
    (``conditions.py``); where the body is an object of no other ``names``, a list of one
    (``single``), has nothing at the places ``empty``, or opens as ``sealed`` says.
    Answered: ``status`` with ``text`` or ``json`` and ``headers``, templates of ``reply.py``; where
    it is ``signed`` only if the request proves itself. Who does not know what it should is
    ``refused`` (403 unless that says another status); an unproved POST for which it says nothing
    is judged as an event, which tells the cause.
    ``learns``: where the provider says the source's secret. ``confirm``: where it says a URL to be
    fetched, whose host must be one of ``hosts``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    method: Annotated[tuple[Method, ...], BeforeValidator(_listed)] = ("POST",)
    when: Annotated[tuple[Condition, ...], BeforeValidator(_conditions)] = ()
    names: frozenset[str] = frozenset()
    single: bool = False
    empty: Annotated[tuple[Atom, ...], BeforeValidator(_atoms)] = ()
    sealed: Literal["lark"] | None = None

    signed: bool = False
    refused: int | None = Field(default=None, ge=400, le=499)
    status: int = Field(default=200, ge=200, le=299)
    text: Annotated[Reply | None, BeforeValidator(_reply)] = None
    document: Annotated[Any, BeforeValidator(Document.parse)] = Field(default=None, alias="json")
    headers: Annotated[Mapping[str, Reply], BeforeValidator(_replies)] = {}
    learns: Annotated[Atom | None, BeforeValidator(_atom)] = None
    confirm: Annotated[Atom | None, BeforeValidator(_atom)] = None
    hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.text is not None and self.document is not None:
            raise ValueError("text and json are two answers; keep one")
        asks = self.when or self.names or self.empty
        if "POST" in self.method and not asks:
            raise ValueError("this would take every POST for a handshake; say when")
        if (self.confirm is None) == bool(self.hosts):
            raise ValueError("confirm goes with hosts, which pin what is fetched")
        if self.confirm is not None and not self.signed:
            raise ValueError("what anybody may ask to be fetched is not fetched: signed = true")
        return self

    @property
    def signs(self) -> bool:
        """Whether the secret signs what anybody asks."""
        replies = [self.text] if self.text is not None else []
        replies += [*self.headers.values(), *_templates(self.document)]
        return any(reply.is_keyed for reply in replies)

    @property
    def options(self) -> frozenset[str]:
        """The names of the source's options that it reads."""
        replies = [one.wanted for one in self.when if one.wanted is not None]
        replies += [self.text] if self.text is not None else []
        replies += [*self.headers.values(), *_templates(self.document)]
        atoms = [atom for reply in replies for atom in reply.atoms]
        return frozenset(atom.name for atom in atoms if atom.place == "option")

    def fits(self, reading: Reading) -> bool:
        """Whether a request has the form of this handshake. Never raises."""
        body = reading.request.body
        return (
            all(mark in body for mark in self._marks)
            and all(condition.fits(reading) for condition in self.when)
            and (not self.names or has_only(body, self.names))
            and (not self.single or is_single(body))
            and are_empty(reading, self.empty)
        )

    def admits(self, reading: Reading, keyed: Keyed | None, *, assumed: bool) -> bool:
        """Whether its sender knows what it should. Never raises."""
        return all(one.holds(reading, keyed, assumed=assumed) for one in self.when)

    @cached_property
    def _marks(self) -> frozenset[bytes]:
        return frozenset(mark for condition in self.when for mark in condition.marks)


def _templates(value: Any) -> list[Reply]:
    match value:
        case Reply():
            return [value]
        case Document():
            return _templates(value.value)
        case dict():
            return [each for inside in value.values() for each in _templates(inside)]
        case list():
            return [each for inside in value for each in _templates(inside)]
        case _:
            return []
