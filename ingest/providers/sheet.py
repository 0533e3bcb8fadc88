"""Everything about one provider that a person needs to receive its webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ingest.providers import proof, spelling, wording
from ingest.providers.block import block
from ingest.providers.questions import sentence
from ingest.verify.extract import Extractor
from ingest.verify.provider import Provider

#: Where nobody said how this server is reached from outside (HOOKKEEPER_PUBLIC_URL).
PLACEHOLDER: Final = "https://YOUR-HOST"
_ACCEPTED: Final = 202
_OWN_WORDS: Final = '{"id": ..., "status": "accepted"}'


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request says something. ``signed``: "yes", "no", or "in part" of several places."""

    where: str
    signed: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The facts, in words. None: not documented, or the provider has no such thing.

    ``address`` is what is pasted at the provider, ``source`` the block for hookkeeper.toml.
    ``tolerance_seconds`` on both sides of now. ``also``: its other ways to sign, each in a line.
    ``retry_waits_seconds`` is () where only the number of ``retries`` is documented, or neither.
    ``send``: the command that tries it; None where nobody but the provider can ever sign.
    """

    provider: str
    name: str
    docs: str
    evidence: str
    evidence_means: str
    setup: str
    address: str
    source: str
    options: Mapping[str, str]
    family: str
    family_means: str
    algorithm: str
    signature: str
    signed: str
    also: tuple[str, ...]
    secret: str
    timestamp: str | None
    tolerance_seconds: int | None
    event_type: Place | None
    event_id: Place | None
    dedupe: str
    handshakes: tuple[str, ...]
    success: str
    failure_status: int
    deadline_seconds: float | None
    retry_window_seconds: int | None
    retry_waits_seconds: tuple[int, ...]
    retries: int | None
    send: str | None


def sheet(provider: Provider, *, public_url: str | None = None, source: str = "") -> Sheet:
    """Fill in the sheet of a provider, as a source of that name (default: the provider's)."""
    source = source or provider.slug
    documented = "retry_window_seconds" in provider.model_fields_set
    return Sheet(
        provider=provider.slug,
        name=provider.name,
        docs=provider.docs,
        evidence=provider.evidence,
        evidence_means=wording.EVIDENCE[provider.evidence],
        setup=provider.setup,
        address=f"{(public_url or PLACEHOLDER).rstrip('/')}/in/{source}",
        source=block(provider, source),
        options=dict(provider.options),
        family=provider.family,
        family_means=wording.FAMILIES[provider.family],
        algorithm=proof.algorithm(provider),
        signature=proof.carried(provider),
        signed=proof.signed(provider),
        also=tuple(map(proof.told, provider.alternatives)),
        secret=proof.secret(provider),
        timestamp=None if provider.timestamp is None else spelling.extractor(provider.timestamp),
        tolerance_seconds=None if provider.timestamp is None else provider.tolerance_seconds,
        event_type=_place(provider, provider.event_type),
        event_id=_place(provider, provider.event_id),
        dedupe=_dedupe(provider),
        handshakes=tuple(map(sentence, provider.handshakes)),
        success=_success(provider),
        failure_status=provider.failure_status,
        deadline_seconds=provider.deadline_seconds,
        retry_window_seconds=provider.retry_window_seconds if documented else None,
        retry_waits_seconds=provider.retry_waits_seconds,
        retries=len(provider.retry_waits_seconds) or provider.retries,
        send=_send(provider, source),
    )


def _send(provider: Provider, source: str) -> str | None:
    """With a key pair of one's own where the provider has one, since its own is the provider's."""
    if not proof.uses_public_key(provider):
        return f"hookkeeper send {source}"
    if provider.key_source is not None and provider.key_source.root_sha256 is not None:
        return None
    return f"hookkeeper send {provider.slug} --new-key"


def _place(provider: Provider, template: Extractor | None) -> Place | None:
    if template is None:
        return None
    signed = template.atoms & provider.signed_atoms
    said = "yes" if signed == template.atoms else "in part" if signed else "no"
    return Place(spelling.extractor(template), said)


def _dedupe(provider: Provider) -> str:
    if provider.event_id is None:
        return 'no id is known, so each request is an event; dedupe = "body" tells equal bodies'
    if provider.id_repeats:
        return "by the id and the body together, because several events may have the same id"
    if provider.event_id.atoms <= provider.signed_atoms:
        return "by the signed id alone"
    return "by the id and the body together, because the id is not signed"


def _success(provider: Provider) -> str:
    status = provider.success_status or _ACCEPTED
    if provider.success_body is None and not provider.success_headers:
        return f"{status} {_OWN_WORDS}"
    headers = [f"{name}: {value}" for name, value in provider.success_headers.items()]
    return f"{status} {provider.success_body or 'without a body'}" + "".join(
        f", {header}" for header in headers
    )
