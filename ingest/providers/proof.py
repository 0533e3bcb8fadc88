"""What proves a provider's requests, in plain English."""

from typing import Final

from ingest.providers import spelling
from ingest.providers.wording import ALGORITHMS, BUILT, ENCODINGS, SECRETS
from ingest.verify.places import WHOLE_BODY
from ingest.verify.provider import Provider
from ingest.verify.usable import form_of
from ingest.verify.web_tokens import SHARED

_PUBLIC_KEY_FAMILIES: Final = frozenset({"ed25519", "ecdsa", "rsa"})


def uses_public_key(entry: Provider) -> bool:
    """Whether what proves a request is no shared secret: only the provider can sign."""
    tokens = entry.family == "jwt" and SHARED.keys().isdisjoint(entry.token_algorithms)
    return entry.family in _PUBLIC_KEY_FAMILIES or tokens


def algorithm(entry: Provider) -> str:
    """How it is proved: ``HMAC-SHA256, in hex``."""
    digest = _digest(entry)
    match entry.family:
        case "hmac":
            said = f"HMAC-{digest.replace('SHA-', 'SHA')}, in {ENCODINGS[entry.encoding]}"
        case "hash":
            said = f"{digest}, in {ENCODINGS[entry.encoding]}"
        case "standard_webhooks":
            said = "HMAC-SHA256 in Base64 (v1); Ed25519 (v1a) where the secret is a public key"
        case "rsa":
            padding = "PSS" if entry.padding == "pss" else "PKCS #1 v1.5"
            said = f"RSA ({padding}) with {digest}"
        case "ecdsa":
            said = f"ECDSA with {digest}"
        case "ed25519":
            said = "Ed25519"
        case "jwt":
            said = f"token signed with {', '.join(entry.token_algorithms)}"
        case "token" | "basic":
            said = "compared in constant time"
        case "none":
            said = "nothing is checked"
    return said


def _digest(entry: Provider) -> str:
    if entry.algorithm_place is None:
        return ALGORITHMS[entry.algorithm]
    named = " or ".join(dict.fromkeys(ALGORITHMS[one] for one in entry.algorithms.values()))
    return f"{named} as {spelling.atom(entry.algorithm_place)} says"


def carried(entry: Provider) -> str:
    """Where its proof stands in a request; empty where there is none."""
    both = " and " if entry.every_header or entry.header_per_secret else " or "
    where = both.join((*entry.header, *map(spelling.atom, entry.signature)))
    if entry.family == "basic" or not where:
        return where
    parts = [where]
    if entry.header_per_secret:
        parts.append("one for each secret, in their order")
    elif entry.every_header:
        parts.append("any of them may hold")
    elif entry.numbered_header is not None:
        parts.append("one a key, numbered")
    if entry.every_item:
        parts.append("and so in every other item of the list")
    if entry.signature_key:
        parts.append(f"as {' or '.join(entry.signature_key)} of its pairs")
    elif entry.carrier != "plain":
        parts.append("several may stand there" if entry.carrier == "list" else "behind the time")
    prefix = entry.prefix or entry.optional_prefix
    if prefix:
        parts.append(f"behind {prefix.strip()!r}")
    return ", ".join(parts)


def signed(entry: Provider) -> str:
    """What the proof covers."""
    match entry.family:
        case "none":
            return "nothing: whoever knows the address can send events"
        case "token" | "basic":
            return "nothing: whoever knows the secret is believed"
        case "jwt" if entry.detached is None and entry.builder is None:
            return _in_token(entry)
    if entry.builder is not None:
        said = BUILT[entry.builder]
    elif spelling.content(entry.content) == "{body}":
        said = "the raw body"
    else:
        said = spelling.content(entry.content)
    return said if entry.covers_body or "nothing of" in said else f"{said}; no more of the body"


def _in_token(entry: Provider) -> str:
    if WHOLE_BODY in entry.signature:
        return "the token, which is the whole body"
    if entry.body_claim is not None:
        return f"the token, and the body by the digest in its claim {entry.body_claim}"
    return "the token alone: nothing in it proves the body"


def told(entry: Provider) -> str:
    """One way to sign, in a line: where it stands, how it is made, of what."""
    return f"{carried(entry)}: {algorithm(entry)}, of {signed(entry)}"


def secret(entry: Provider) -> str:
    """What its secret looks like, or why it needs none."""
    if entry.family == "none":
        return "none"
    if any(one.learns is not None for one in entry.handshakes):
        return "said by the provider in a handshake, and learned"
    if entry.knows_keys:
        return f"none is needed: {_keys(entry)}"
    return _given(entry)


def _given(entry: Provider) -> str:
    if "secret" in entry.content.atoms and entry.key_source is not None:
        return f"{SECRETS[entry.secret_format]}; {_keys(entry)}"
    if uses_public_key(entry):
        return f"{form_of(entry)} of the provider"
    match entry.family:
        case "basic":
            return "user:password"
        case "token":
            return "text, compared as it is"
        case _:
            return _shared(entry)


def _shared(entry: Provider) -> str:
    formats = [entry.secret_format, entry.other_secret_format]
    said = "; or ".join(SECRETS[each] for each in formats if each is not None)
    mark = entry.secret_separator
    return f"{said}; several may stand there, {mark!r} between them" if mark else said


def _keys(entry: Provider) -> str:
    if entry.key_source is None:
        return "the provider's public key is known"
    if entry.key_source.kind == "x5c":
        return "the key comes with the request, under a root that is known"
    hosts = ", ".join(entry.key_source.hosts)
    return f"public keys are fetched{f' from {hosts}' if hosts else ''} and kept"
