"""One catalogue entry: what a provider sends, in words that a user's own scheme uses too.

A provider is data. Reading an entry compiles its templates once and refuses every combination
that would prove nothing, so that verification itself has no case left to guess at.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ingest.verify.content import Content
from ingest.verify.extract import Extractor
from ingest.verify.places import Atom

Family = Literal["hmac", "standard_webhooks", "token", "basic", "none"]
Carrier = Literal["plain", "list", "pairs"]
Encoding = Literal["hex", "HEX", "base64", "base64url"]
SecretFormat = Literal["utf8", "base64", "hex", "whsec"]
TimestampFormat = Literal["s", "ms", "iso8601"]
Algorithm = Literal["sha1", "sha256", "sha384", "sha512"]


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _lowered(value: object) -> object:
    return {str(name).lower() for name in value} if isinstance(value, list) else value


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")  # noqa: TRY004 -- pydantic reads ValueError
    return value


Template = Annotated[Extractor, BeforeValidator(Extractor.parse)]
Seconds = Annotated[int, BeforeValidator(_no_bool), Field(gt=0)]
Status = Annotated[int, BeforeValidator(_no_bool)]

#: What a family means without saying it; an entry's own words win.
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "standard_webhooks": {
        "header": ["webhook-signature", "svix-signature"],
        "content": "{id}.{ts}.{body}",
        "encoding": "base64",
        "carrier": "list",
        "separator": " ",
        "prefix": "v1,",
        "secret_format": "whsec",
        "timestamp": "{header:webhook-timestamp|header:svix-timestamp}",
        "event_id": "{header:webhook-id|header:svix-id}",
        # The specification recommends type; senders in the field also use the others.
        "event_type": "{body:type|body:event_type|body:eventType|body:scope}",
    },
    "basic": {"header": ["Authorization"]},
}

#: Words that only mean something where a signature is computed.
_SIGNED_WORDS: Final = frozenset(
    {
        "algorithm",
        "content",
        "encoding",
        "carrier",
        "separator",
        "signature_key",
        "secret_format",
        "timestamp",
        "timestamp_format",
        "tolerance_seconds",
    }
)


class Provider(BaseModel):
    """One entry of the catalogue, or one ``[sources.x.scheme]`` of a user.

    Signature: ``header`` (several: the first that is present) carries it ``plain``, as a ``list``
    split at ``separator``, or as ``pairs`` (``t=1,v1=..``) whose key ``signature_key`` holds
    signatures. Each signature begins with ``prefix``, which is cut off. It is the ``encoding`` of
    an HMAC with ``algorithm`` over ``content`` (see ``content.py``); the key is the secret read as
    ``secret_format``. ``timestamp``, ``event_type`` and ``event_id`` are templates of
    ``extract.py``. A token stands in ``header`` or in the URL's parameter ``query``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    slug: str = Field(min_length=1)
    name: str = ""
    docs: str = ""
    #: ``proven`` by an official vector or SDK; a user's own scheme is ``custom``.
    evidence: Literal["proven", "documented", "community", "custom"] = "custom"
    family: Family

    header: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    query: str | None = None
    carrier: Carrier = "plain"
    separator: str = Field(default=",", min_length=1)
    signature_key: str | None = None
    prefix: str = ""
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    content: Annotated[Content, BeforeValidator(Content.parse)] = Content(("body",))
    secret_format: SecretFormat = "utf8"  # noqa: S105 -- a format, not a secret

    timestamp: Template | None = None
    timestamp_format: TimestampFormat = "s"
    tolerance_seconds: Seconds = 300
    event_type: Template | None = None
    event_id: Template | None = None

    #: What a 2xx must look like for this provider; None: Hookkeeper's own answer.
    success_status: Status | None = Field(default=None, ge=200, le=299)
    success_body: str | None = None
    #: The status that tells this provider its signature was refused.
    failure_status: Status = Field(default=401, ge=400, le=599)
    handshake: Literal["slack"] | None = None
    #: Names, beside the usual ones, whose values must never be stored in the clear; lower-case.
    credential_headers: Annotated[frozenset[str], BeforeValidator(_lowered)] = frozenset()
    credential_query: frozenset[str] = frozenset()
    #: How long the provider may send the same event again; duplicates are known at least as long.
    retry_window_seconds: Seconds = 259_200
    #: How long the provider waits for the answer; None where it is not documented.
    deadline_seconds: Seconds | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in_family(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {**_DEFAULTS.get(str(data.get("family")), {}), **data}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.family in ("hmac", "standard_webhooks"):
            self._check_signed()
        else:
            self._check_unsigned()
        return self

    def _check_signed(self) -> None:
        if not self.header:
            raise ValueError("header is missing: which header carries the signature?")
        if self.query is not None:
            raise ValueError('query belongs to family = "token"; a signature is read from header')
        if "body" not in self.content.atoms:
            raise ValueError(
                "content must hold {body}: a signature over anything else proves no body"
            )
        if (self.carrier == "pairs") != (self.signature_key is not None):
            raise ValueError('signature_key goes with carrier = "pairs", and only with it')
        self._check_named("ts", "timestamp", self.timestamp)
        self._check_named("id", "event_id", self.event_id)
        self._check_timestamp()
        self._check_event_id()

    def _check_named(self, atom: str, word: str, template: Extractor | None) -> None:
        if atom not in self.content.atoms:
            return
        if template is None:
            raise ValueError(f"content uses {{{atom}}}, so {word} must say where it is")
        if any(place.place in ("body", "form") for place in template.atoms):
            raise ValueError(
                f"{word} is part of what is signed, so it cannot be read from the body"
            )

    def _check_timestamp(self) -> None:
        if self.timestamp is None:
            if "tolerance_seconds" in self.model_fields_set:
                raise ValueError("tolerance_seconds needs timestamp: where does the sender put it?")
            return
        if not self.timestamp.atoms <= self.signed_atoms:
            raise ValueError("timestamp is not signed, so it proves nothing; add {ts} to content")
        in_signature = any(atom.place == "signature" for atom in self.timestamp.atoms)
        if in_signature and self.carrier != "pairs":
            raise ValueError('timestamp = "signature:..." needs carrier = "pairs"')

    def _check_event_id(self) -> None:
        """A replayer who can add an unsigned part would make one event look like two."""
        places = self.event_id.atoms if self.event_id else frozenset()
        if places & self.signed_atoms and not places <= self.signed_atoms:
            raise ValueError("event_id mixes signed and unsigned places; read it from one kind")

    def _check_unsigned(self) -> None:
        stray = sorted(self.model_fields_set & _SIGNED_WORDS)
        if stray:
            raise ValueError(f"{', '.join(stray)}: means nothing for family = {self.family!r}")
        if self.family == "token" and bool(self.header) == (self.query is not None):
            raise ValueError("a token stands in header or in query; name one of them")
        if self.family != "token" and self.query is not None:
            raise ValueError(f"query means nothing for family = {self.family!r}")
        if self.family == "none" and (self.header or self.prefix):
            raise ValueError('family = "none" checks nothing, so it has no header and no prefix')

    @cached_property
    def signed_atoms(self) -> frozenset[Atom]:
        """The places, among those that this entry reads, that its signature covers."""
        if self.family not in ("hmac", "standard_webhooks"):
            return frozenset()
        named = {"ts": self.timestamp, "id": self.event_id}
        inside = [template for key, template in named.items() if key in self.content.atoms]
        read = [template for template in (*named.values(), self.event_type) if template]
        through_names = {atom for template in inside if template for atom in template.atoms}
        directly = {atom for template in read for atom in template.atoms if self._covers(atom)}
        return frozenset(through_names | directly)

    def _covers(self, atom: Atom) -> bool:
        match atom.place:
            case "body" | "form":
                return "body" in self.content.atoms
            case "header":
                return f"header:{atom.name}" in self.content.atoms
            case "query":
                return "url" in self.content.atoms
            case "signature":
                return False


def custom_provider(source: str, scheme: Mapping[str, Any]) -> Provider:
    """Compile a user's own scheme. Raises pydantic's ValidationError, which names the word."""
    return Provider.model_validate({"slug": source, "name": source, **scheme})
