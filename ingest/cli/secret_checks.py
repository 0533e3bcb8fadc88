"""What ``hookkeeper secrets check`` finds out: each source's secrets, and what is wrong there."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ingest.cli.located import located_database, located_settings
from ingest.cli.located_config import located_config
from ingest.cli.output import ago
from ingest.config.model import Source
from ingest.config.sources import learns
from ingest.credentials import load_key
from ingest.learned_config import with_learned
from ingest.learning import LearnedSecret
from ingest.store.learned_secrets import Use, last_uses, live
from ingest.vault import Vault
from ingest.verify import Secret
from ingest.verify.usable import usable

#: A secret that ends this soon needs a successor now.
SOON_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class SecretFound:
    """One secret, by name; its value is nowhere here. ``state``: live, expired or unusable."""

    name: str
    state: str
    ends_at: int | None
    learned_at: int | None
    last_used_at: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceFound:
    """A source. ``live``: whether a request could be proved now, or needs no proof."""

    name: str
    provider: str
    live: bool
    secrets: tuple[SecretFound, ...]
    warnings: tuple[str, ...]


def checked() -> list[SourceFound]:
    """Look at every source of this folder's configuration, in the order of names."""
    settings = located_settings()
    config = located_config(settings)
    with located_database(settings) as database:
        learned = live(database)
        uses = last_uses(database, sorted(config.sources))
    believed = with_learned(config, Vault(load_key(settings.key_file)).by_source(learned))
    now = int(time.time() * 1000)
    return [
        _source(source, [one for one in learned if one.source == name], uses[name], now)
        for name, source in sorted(believed.sources.items())
    ]


def _source(
    source: Source, learned: list[LearnedSecret], uses: Mapping[str, Use], now: int
) -> SourceFound:
    secrets = [_secret(source, secret, learned, uses, now) for secret in source.secrets]
    readable = {secret.name for secret in source.secrets}
    secrets += [
        SecretFound(one.name, "unusable", None, one.learned_at, None, ("under another key file",))
        for one in learned
        if one.name not in readable
    ]
    in_force = any(secret.state == "live" for secret in secrets)
    proves = source.provider.family != "none" and not source.provider.knows_keys
    return SourceFound(
        name=source.name,
        provider=source.provider.slug,
        live=in_force or not proves,
        secrets=tuple(secrets),
        warnings=_warnings(source, secrets, in_force=in_force) if proves else (),
    )


def _secret(
    source: Source,
    secret: Secret,
    learned: list[LearnedSecret],
    uses: Mapping[str, Use],
    now: int,
) -> SecretFound:
    use = uses.get(secret.name)
    state, notes = "live", []
    if not usable(source.provider, secret.value):
        state, notes = "unusable", ["not of the form that this provider's secrets have"]
    elif secret.expires_at is not None and secret.expired(now):
        state, notes = "expired", ["take it out of hookkeeper.toml"]
    elif secret.expires_at is not None and secret.expires_at - now < SOON_MS:
        notes = [f"ends in {ago(secret.expires_at - now)}"]
    if state == "live" and use is None and uses:
        notes.append("proved none of the newest events")
    learned_at = next((one.learned_at for one in learned if one.name == secret.name), None)
    last_used = None if use is None else use.last_at
    return SecretFound(secret.name, state, secret.expires_at, learned_at, last_used, tuple(notes))


def _warnings(source: Source, secrets: list[SecretFound], *, in_force: bool) -> tuple[str, ...]:
    if not in_force:
        if learns(source.provider) and not source.secrets:
            return ("waits for its provider to say a secret; until then it takes no event",)
        return ("has no secret that is in force: every request is answered 503",)
    ends = [secret.ends_at for secret in secrets if secret.state == "live"]
    soon = [secret for secret in secrets if any("ends in" in note for note in secret.notes)]
    if len(soon) == len(ends):
        return ("all secrets that are in force end within 7 days: add the next one",)
    return ()
