"""Whether anybody but a provider can sign for it, and with what."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.signing.credential import Unsignable
from ingest.verify.content import SECRET
from ingest.verify.provider import Provider
from ingest.verify.web_tokens import SHARED


def signs_with_pair(provider: Provider) -> bool:
    """Whether this provider signs with a key pair, and never with a shared secret."""
    match provider.family:
        case "ed25519" | "ecdsa" | "rsa":
            return True
        case "jwt":
            return SHARED.keys().isdisjoint(provider.token_algorithms)
        case _:
            return False


def check_signable(provider: Provider, options: Mapping[str, str]) -> None:
    """Raise Unsignable where no key of one's own can stand for the provider's."""
    source = provider.key_source
    if source is None:
        return
    if source.root_sha256 is not None:
        raise Unsignable(
            f"{provider.name} signs with a certificate of its own, whose root is pinned: "
            "no request made here would be believed"
        )
    if SECRET in provider.content.atoms and not options.get("webhook_id"):
        raise Unsignable(
            f"{provider.name} signs with keys that are fetched from {fetched_from(provider)} and "
            "nowhere else: no request made here would be believed"
        )


def fetched_from(provider: Provider) -> str:
    """Where the provider's keys come from, for people; "" where they are not fetched."""
    source = provider.key_source
    if source is None:
        return ""
    return " or ".join(source.hosts) or source.url or "its own host"
