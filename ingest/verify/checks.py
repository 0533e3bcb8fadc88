"""Refuses an entry whose words do not belong together, or would prove nothing.

Each refusal is a ValueError for the person who wrote the entry.
"""

from __future__ import annotations

from typing import Final

from ingest.verify.entry import Entry
from ingest.verify.extract import Extractor

_DIGESTS: Final = frozenset({"hmac", "hash", "standard_webhooks"})
#: Words that only mean something where something is signed.
_SIGNED_WORDS: Final = frozenset(
    {
        "algorithm",
        "algorithms",
        "algorithm_place",
        "assignment",
        "blanks_count",
        "builder",
        "carrier",
        "content",
        "covers_body",
        "encoding",
        "every_header",
        "future_seconds",
        "header_per_secret",
        "secret_format",
        "separator",
        "set_separator",
        "signature_key",
        "timestamp",
        "timestamp_format",
        "tolerance_seconds",
    }
)
_KEY_WORDS: Final = frozenset(
    {"key_format", "key_source", "published_keys", "padding", "signature_format"}
)
_TOKEN_WORDS: Final = frozenset(
    {
        "token_algorithms",
        "claims",
        "required_claims",
        "leeway_seconds",
        "max_age_seconds",
        "body_claim",
        "body_claim_algorithm",
        "body_claim_encoding",
        "url_claim",
        "url_claim_encoding",
        "detached",
    }
)


def check(provider: Entry) -> None:
    """Raise ValueError with what is wrong with an entry."""
    if provider.id_repeats and provider.event_id is None:
        raise ValueError("id_repeats needs event_id: which id does it speak of?")
    _check_retries(provider)
    match provider.family:
        case "token" | "basic" | "none":
            _check_unsigned(provider)
        case "jwt":
            _check_token(provider)
        case _:
            _check_signed(provider)


def _check_retries(provider: Entry) -> None:
    waits = provider.retry_waits_seconds
    if waits and provider.retries is not None:
        raise ValueError("retry_waits_seconds says how many retries there are; keep one of them")
    if sum(waits) > provider.retry_window_seconds:
        raise ValueError(
            f"retry_waits_seconds take {sum(waits)} s, longer than retry_window_seconds: the last "
            "retry would be a new event"
        )


def _refuse_stray(provider: Entry, words: frozenset[str]) -> None:
    stray = sorted(provider.model_fields_set & words)
    if stray:
        raise ValueError(f"{', '.join(stray)}: means nothing for family = {provider.family!r}")


def _check_unsigned(provider: Entry) -> None:
    lists = [atom.place == "body" and "0" in atom.path for atom in provider.signature]
    if provider.every_item and not (lists and all(lists)):
        raise ValueError("every_item needs a signature with 0 in its path: body:value.0.token")
    _refuse_stray(provider, _SIGNED_WORDS | _KEY_WORDS | _TOKEN_WORDS)
    if provider.family == "token" and bool(provider.header) == bool(provider.signature):
        raise ValueError("a token stands in header or in signature; name one of them")
    if provider.family == "basic" and provider.signature:
        raise ValueError('signature means nothing for family = "basic"')
    if provider.family == "none" and (provider.header or provider.signature or provider.prefix):
        raise ValueError('family = "none" checks nothing, so it has no header and no prefix')


def _check_token(provider: Entry) -> None:
    _refuse_stray(provider, frozenset({"every_item"}))
    _check_carrier(provider)
    if not provider.token_algorithms:
        raise ValueError("token_algorithms is missing: which algorithms does the sender use?")


def _check_signed(provider: Entry) -> None:
    _refuse_stray(provider, _TOKEN_WORDS | {"every_item"})
    if provider.family in _DIGESTS:
        _refuse_stray(provider, _KEY_WORDS)
    _check_carrier(provider)
    _check_coverage(provider)
    _check_named(provider, "ts", "timestamp", provider.timestamp)
    _check_named(provider, "id", "event_id", provider.event_id)
    _check_timestamp(provider)
    _check_event_id(provider)
    if (provider.algorithm_place is None) != (not provider.algorithms):
        raise ValueError("algorithm_place goes with algorithms, among which the request chooses")
    if provider.family != "hash" and "keccak256" in (
        provider.algorithm,
        *provider.algorithms.values(),
    ):
        raise ValueError('keccak256 belongs to family = "hash"')


def _check_carrier(provider: Entry) -> None:
    if bool(provider.header) == bool(provider.signature):
        raise ValueError(
            "header is missing: which header carries the signature?"
            if not provider.header
            else "header or signature says where the signature is; keep one"
        )
    if (provider.carrier == "pairs") != bool(provider.signature_key):
        raise ValueError('signature_key goes with carrier = "pairs", and only with it')


def _check_coverage(provider: Entry) -> None:
    if provider.builder is None and provider.covers_body and not provider.content.covers_body:
        raise ValueError(
            "content must hold {body}: a signature over anything else proves no body. Where the "
            "sender signs no more, say so: covers_body = false"
        )
    keyless = provider.family == "hash" and provider.builder is None
    if keyless and "secret" not in provider.content.atoms:
        raise ValueError("a plain digest proves nothing without {secret} in content")


def _check_named(provider: Entry, atom: str, word: str, template: Extractor | None) -> None:
    if atom in provider.content.atoms and template is None:
        raise ValueError(f"content uses {{{atom}}}, so {word} must say where it is")


def _check_timestamp(provider: Entry) -> None:
    if provider.timestamp is None:
        if "tolerance_seconds" in provider.model_fields_set:
            raise ValueError("tolerance_seconds needs timestamp: where does the sender put it?")
        return
    signed = provider.timestamp.atoms <= provider.signed_atoms or provider.builder is not None
    if not signed:
        raise ValueError("timestamp is not signed, so it proves nothing; add {ts} to content")
    in_signature = any(atom.place == "signature" for atom in provider.timestamp.atoms)
    if in_signature and provider.carrier not in ("pairs", "positional"):
        raise ValueError('timestamp = "signature:..." needs carrier = "pairs" or "positional"')


def _check_event_id(provider: Entry) -> None:
    """A replayer who can add an unsigned part would make one event look like two.

    Where the body is not signed at all, such an id is no worse than the body beside it.
    """
    places = provider.event_id.atoms if provider.event_id else frozenset()
    signed = places & provider.signed_atoms
    if provider.covers_body and signed and signed != places:
        raise ValueError("event_id mixes signed and unsigned places; read it from one kind")
