"""One catalogue entry: what a provider sends, in words that a user's own scheme uses too.

Its fields, and what follows from them. ``provider.py`` fills in what a family means without saying
it, and refuses what would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ingest.verify.content import Content
from ingest.verify.extract import Extractor
from ingest.verify.handshakes.shape import Handshake
from ingest.verify.key_source import KeySource
from ingest.verify.places import Atom
from ingest.verify.public_keys import KeyFormat
from ingest.verify.words import (
    Algorithm,
    Builder,
    Carrier,
    Encoding,
    Family,
    SecretFormat,
    SuccessSigner,
    TimestampFormat,
)


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _atoms(value: object) -> object:
    listed = _listed(value)
    if not isinstance(listed, tuple | list):
        return value
    return tuple(Atom.parse(each) if isinstance(each, str) else each for each in listed)


def _atom(value: object) -> object:
    return Atom.parse(value) if isinstance(value, str) else value


def _lowered(value: object) -> object:
    return {str(name).lower() for name in value} if isinstance(value, list) else value


def _named(value: object) -> object:
    return {name: name for name in value} if isinstance(value, list) else value


def _pattern(value: object) -> object:
    return re.compile(value.encode()) if isinstance(value, str) else value


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")  # noqa: TRY004 -- pydantic reads ValueError
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Place = Annotated[Atom, BeforeValidator(_atom)]
Template = Annotated[Extractor, BeforeValidator(Extractor.parse)]
Signed = Annotated[Content, BeforeValidator(Content.parse)]
Seconds = Annotated[int, BeforeValidator(_no_bool), Field(gt=0)]
Duration = Annotated[int | float, BeforeValidator(_no_bool), Field(gt=0)]
Status = Annotated[int, BeforeValidator(_no_bool)]


class Entry(BaseModel):
    """One entry of the catalogue, or one ``[sources.x.scheme]`` of a user.

    Signature: ``header`` (several: the first that is present, with ``every_header`` each of them;
    ``X-Sig-*``: every numbered one) or ``signature`` (other places) carries it ``plain``, as a
    ``list`` split at ``separator``, as ``pairs`` (``t=1,v1=..``) whose key ``signature_key`` holds
    signatures, or ``positional`` behind a timestamp. Each begins with ``prefix``, which is cut
    off, and is the ``encoding`` of what the family makes with ``algorithm`` of ``content``
    (``content.py``), or of what ``builder`` says is signed. The key is the secret read as
    ``secret_format``, or a public key. ``timestamp``, ``event_type`` and ``event_id`` are
    templates of ``extract.py``. Other ways to sign are ``alternatives`` (``provider.py``), each in
    these words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    slug: str = Field(min_length=1)
    name: str = ""
    docs: str = ""
    #: ``proven`` by an official vector or SDK; a user's own scheme is ``custom``.
    evidence: Literal["proven", "documented", "community", "custom"] = "custom"
    #: Where its address is entered, and where its secret is found: one line.
    setup: str = ""
    #: What ``[sources.x.options]`` may hold, each with its meaning.
    options: Mapping[str, str] = {}
    #: Those of them without which a source proves nothing, or not who sent.
    needed_options: Names = ()
    family: Family

    header: Names = ()
    header_per_secret: bool = False
    every_header: bool = False
    #: Whether ``0`` in the path of a token stands for every item of its list, all of which need it.
    every_item: bool = False
    signature: Annotated[tuple[Atom, ...], BeforeValidator(_atoms)] = ()
    carrier: Carrier = "plain"
    separator: str = Field(default=",", min_length=1)
    set_separator: str | None = Field(default=None, min_length=1)
    assignment: str = Field(default="=", min_length=1)
    #: Whether blanks around a part of the list belong to it, as in a library that does not strip.
    blanks_count: bool = False
    signature_key: Names = ()
    prefix: str = ""
    #: Whether a signature without ``prefix`` counts, too.
    prefix_optional: bool = False
    #: What may stand before a signature, and does not where we sign.
    optional_prefix: str = ""
    algorithm: Algorithm = "sha256"
    algorithms: Annotated[Mapping[str, Algorithm], BeforeValidator(_named)] = {}
    algorithm_place: Place | None = None
    encoding: Encoding = "hex"
    content: Signed = Content.parse("{body}")
    builder: Builder | None = None
    #: Places that ``builder`` signs as they are; of others it is not known.
    signed_places: Annotated[tuple[Atom, ...], BeforeValidator(_atoms)] = ()
    #: False: what is signed leaves out the body or a part of it, and proves none of that.
    covers_body: bool = True
    secret_format: SecretFormat = "utf8"  # noqa: S105 -- a format, not a secret
    #: How else the secret may be meant, where the provider's own libraries differ.
    other_secret_format: SecretFormat | None = None
    secret_separator: str = ""
    secret_suffix: str = ""
    secret_prefix_removed: Annotated[re.Pattern[bytes], BeforeValidator(_pattern)] | None = None

    key_format: KeyFormat = "pem"
    key_source: KeySource | None = None
    published_keys: tuple[str, ...] = ()
    padding: Literal["pkcs1v15", "pss"] = "pkcs1v15"
    signature_format: Literal["der", "raw"] = "der"

    token_algorithms: tuple[str, ...] = ()
    claims: Mapping[str, str | tuple[str, ...]] = {}
    required_claims: tuple[str, ...] = ()
    leeway_seconds: int = Field(default=0, ge=0)
    max_age_seconds: Seconds | None = None
    body_claim: str | None = None
    body_claim_algorithm: Literal["sha256", "sha512"] = "sha256"
    body_claim_encoding: Literal["hex", "base64", "base64url"] = "hex"
    url_claim: str | None = None
    url_claim_encoding: Literal["plain", "sha256_hex", "atlassian_qsh"] = "plain"
    detached: Signed | None = None

    timestamp: Template | None = None
    timestamp_format: TimestampFormat = "s"
    tolerance_seconds: Seconds = 300
    #: How far ahead the timestamp may be; as far as it may be old where nothing is said.
    future_seconds: int | None = Field(default=None, ge=0)
    event_type: Template | None = None
    event_id: Template | None = None
    #: Whether ``event_id`` names what several events tell of (a payment, a message), or the first
    #: item of a batch, which may come again with others: it counts only together with the body.
    id_repeats: bool = False

    #: What a 2xx must look like for this provider; None: Hookkeeper's own answer.
    success_status: Status | None = Field(default=None, ge=200, le=299)
    success_body: str | None = None
    success_headers: Mapping[str, str] = {}
    #: Who signs that answer, where the provider wants it signed (``handshakes/signed_success.py``).
    success_signer: SuccessSigner | None = None
    #: The status that tells this provider its signature was refused.
    failure_status: Status = Field(default=401, ge=400, le=599)
    #: What is said with it, where that counts; None: Hookkeeper's own error, in JSON.
    failure_body: str | None = None
    #: What the provider asks before it sends.
    handshakes: tuple[Handshake, ...] = ()
    #: Names, beside the usual ones, whose values must never be stored in the clear; lower-case.
    credential_headers: Annotated[frozenset[str], BeforeValidator(_lowered)] = frozenset()
    credential_query: frozenset[str] = frozenset()
    #: How long the provider may send the same event again; duplicates are known at least as long.
    retry_window_seconds: Seconds = 259_200
    #: How long it waits before each of them, from sending to sending, where that is documented.
    retry_waits_seconds: tuple[Seconds, ...] = ()
    #: How often it sends again by itself, where only that is documented; 0: only who is asked does.
    retries: int | None = Field(default=None, ge=0)
    #: How long the provider waits for the answer; None where it is not documented.
    deadline_seconds: Duration | None = None

    @cached_property
    def numbered_header(self) -> str | None:
        """What the numbered headers begin with, in lower case; None for ordinary ones."""
        name = self.header[0] if self.header else ""
        return name[:-1].lower() if name.endswith("*") else None

    @cached_property
    def is_dear(self) -> bool:
        """Whether a body is worked on in Python before it proves anything."""
        return self.builder is not None or self.algorithm == "keccak256"

    @cached_property
    def signs_challenges(self) -> bool:
        """Whether a handshake lets anybody have some text signed."""
        return any(handshake.signs for handshake in self.handshakes)

    @cached_property
    def knows_keys(self) -> bool:
        """Whether the provider's own public keys prove its requests: no secret is needed."""
        own = self.key_source is not None or bool(self.published_keys)
        return own and "secret" not in self.content.atoms

    @cached_property
    def signed_atoms(self) -> frozenset[Atom]:
        """The places, among those that this entry reads, that its signature covers."""
        if self.family in ("token", "basic", "none"):
            return frozenset()
        named = {"ts": self.timestamp, "id": self.event_id}
        inside = [template for key, template in named.items() if key in self.content.atoms]
        read = [template for template in (*named.values(), self.event_type) if template]
        through_names = {atom for template in inside if template for atom in template.atoms}
        directly = {atom for template in read for atom in template.atoms if self._covers(atom)}
        return frozenset(through_names | directly)

    def _covers(self, atom: Atom) -> bool:
        """Whether what stands at a place can be changed by nobody but the sender."""
        if atom in self.signed_places:
            return True
        match atom.place:
            case "claim":
                return True
            case "body" | "form":
                return atom in self.content.places or self._body_is_signed
            case "header" | "signature":
                return atom in self.content.places
            case "query":
                return atom in self.content.places or "url" in self.content.atoms
            case "option":
                return False

    @property
    def _body_is_signed(self) -> bool:
        if self.family == "jwt" and self.detached is None and self.builder is None:
            return self.body_claim is not None
        return self.covers_body
