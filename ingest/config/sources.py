"""[sources.<name>] -> Source."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ingest.config.durations import format_duration
from ingest.config.mistakes import Mistakes, did_you_mean, listed
from ingest.config.model import DEFAULT_DEDUPE_WINDOW_MS, Source
from ingest.config.references import References
from ingest.config.schema import RejectedTable, SecretEntry, SourceTable, note, read_table
from ingest.rejection import Keeping
from ingest.verify.handshakes.signed_success import REPLY_KEY, private_key
from ingest.verify.provider import Provider, custom_provider
from ingest.verify.request import Secret
from ingest.verify.usable import form_of, usable

#: The provider that proves nothing. It has to be asked for by name.
UNPROVED = "none"

_THREE_WAYS = (
    "is missing: nothing says how its requests are proved. Write one of\n"
    "      {named:<{width}}  a provider of the catalogue: {slugs}\n"
    "      {described:<{width}}  a signature described here, in the words of the catalogue\n"
    "      {unproved:<{width}}  accept anything from anyone"
)


def read_source(
    name: str,
    raw: object,
    references: References,
    catalogue: Mapping[str, Provider],
    mistakes: Mistakes,
) -> Source | None:
    """One source; None, with its mistakes noted, where it cannot be read."""
    table = f"sources.{name}"
    read = read_table(SourceTable, raw, table, mistakes)
    if read is None:
        return None
    secrets = _secrets(read, table, references, mistakes)
    provider = _provider(name, read, catalogue, mistakes)
    if provider is None:
        return None
    _check_unproved(read, provider, table, mistakes)
    _check_secrets(read, provider, secrets, table, mistakes)
    options = _options(read, table, references, mistakes)
    _check_options(read, provider, options, table, mistakes)
    return Source(
        name=name,
        provider=provider,
        secrets=secrets,
        max_body=read.max_body,
        dedupe=read.dedupe,
        dedupe_window_ms=_dedupe_window(read, provider, table, mistakes),
        retention_days=read.retention,
        options=MappingProxyType(options),
        rejected=_keeping(read, table, mistakes),
        rate_limit=read.rate_limit,
    )


def learns(provider: Provider) -> bool:
    """Whether a provider says its secret in a handshake: its source may begin without one."""
    return any(one.learns is not None for one in provider.handshakes)


def _provider(
    name: str, read: SourceTable, catalogue: Mapping[str, Provider], mistakes: Mistakes
) -> Provider | None:
    table = f"sources.{name}"
    if read.scheme is not None and read.provider is not None:
        mistakes.add(table, "provider", "stands beside a scheme, which says the same; keep one")
        return None
    if read.scheme is not None:
        return _described(name, read.scheme, mistakes)
    if read.provider is None:
        mistakes.add_missing(table, "provider", _three_ways(table, catalogue))
        return None
    if read.provider not in catalogue:
        hint = did_you_mean(read.provider, catalogue)
        text = f"{read.provider!r} is not in the catalogue; {hint} Or describe it: [{table}.scheme]"
        mistakes.add(table, "provider", text)
    return catalogue.get(read.provider)


def _three_ways(table: str, catalogue: Mapping[str, Provider]) -> str:
    described = f"[{table}.scheme]"
    return _THREE_WAYS.format(
        named='provider = "github"',
        described=described,
        unproved=f'provider = "{UNPROVED}"',
        width=max(20, len(described)),
        slugs=listed(set(catalogue) - {UNPROVED}),
    )


def _described(name: str, scheme: dict[str, Any], mistakes: Mistakes) -> Provider | None:
    try:
        return custom_provider(name, scheme)
    except ValidationError as error:
        note(error, Provider, f"sources.{name}.scheme", mistakes)
        return None


def _secrets(
    read: SourceTable, table: str, references: References, mistakes: Mistakes
) -> tuple[Secret, ...]:
    secrets = []
    for number, raw in enumerate(read.secrets, start=1):
        entry = _entry(raw, f"{table}.secrets #{number}", mistakes)
        try:
            if entry and entry.value is not None:
                value = references.read(entry.value)
                secrets.append(Secret(entry.value, value, entry.expires))
        except ValueError as error:
            mistakes.add(table, "secrets", str(error))
    return tuple(secrets)


def _entry(raw: object, table: str, mistakes: Mistakes) -> SecretEntry | None:
    if isinstance(raw, str):
        return SecretEntry(value=raw)
    if not isinstance(raw, Mapping):
        # Not quoted back: it may be the secret.
        mistakes.add(table, "", 'expected "env:NAME" or { value = "env:NAME", expires = "..." }')
        return None
    entry = read_table(SecretEntry, raw, table, mistakes)
    if entry is not None and entry.value is None:
        mistakes.add_missing(table, "value", 'is missing, such as "env:GITHUB_WEBHOOK_SECRET"')
    return entry


def _check_unproved(read: SourceTable, provider: Provider, table: str, mistakes: Mistakes) -> None:
    """Whoever takes events from anyone has to say so: by the provider "none", or beside another."""
    by_name = provider.slug == UNPROVED or provider.evidence == "custom"
    nothing = provider.family == "none" and not by_name
    if nothing and not read.unproved:
        mistakes.add_missing(
            table,
            "unproved",
            f"is missing: {provider.slug} signs nothing, so whoever knows the address can send "
            "events. Write unproved = true to take them all the same",
        )
    elif read.unproved and not nothing:
        mistakes.add(table, "unproved", "belongs to a provider of the catalogue that signs nothing")


def _check_secrets(
    read: SourceTable,
    provider: Provider,
    secrets: tuple[Secret, ...],
    table: str,
    mistakes: Mistakes,
) -> None:
    without = learns(provider) or provider.knows_keys
    if provider.family == "none" and read.secrets:
        mistakes.add(table, "secrets", f'provider "{provider.slug}" proves nothing with them')
    elif provider.family != "none" and not read.secrets and not without:
        example = '["env:NAME"] or ["file:PATH"]'
        mistakes.add_missing(table, "secrets", f"is missing; what the sender signs with: {example}")
    for secret in secrets:
        if not usable(provider, secret.value):
            form = form_of(provider)
            mistakes.add(table, "secrets", f"{secret.name} is not {form}, as {provider.slug}'s are")


def _options(
    read: SourceTable, table: str, references: References, mistakes: Mistakes
) -> dict[str, str]:
    """The options; of those that name a variable or a file, what stands there."""
    options = {}
    for name, value in read.options.items():
        options[name] = value
        if value.startswith(("env:", "file:")):
            try:
                options[name] = references.read(value).decode()
            except ValueError as error:
                mistakes.add(f"{table}.options", name, str(error))
    return options


def _check_options(
    read: SourceTable,
    provider: Provider,
    options: Mapping[str, str],
    table: str,
    mistakes: Mistakes,
) -> None:
    """A misspelt option would be missing, and what it proves or answers with it."""
    table = f"{table}.options"
    told = provider.options or provider.evidence != "custom"
    # A scheme of one's own reads what it names, and need not say which options those are.
    for name in sorted(options.keys() - provider.options.keys()) if told else ():
        hint = did_you_mean(name, provider.options) if provider.options else "it has none"
        mistakes.add(table, name, f"is no option of {provider.slug}; {hint}")
    fetched = provider.key_source.options if provider.key_source and not read.secrets else ()
    for name in (*provider.needed_options, *fetched):
        if not options.get(name):
            meaning = provider.options.get(name, "the address of the keys is made of it")
            mistakes.add_missing(table, name, f"is missing: {meaning}")
    if REPLY_KEY in options and private_key(options[REPLY_KEY]) is None:
        mistakes.add(table, REPLY_KEY, "is no private RSA key, neither PEM nor Base64 of PKCS #8")


def _keeping(read: SourceTable, table: str, mistakes: Mistakes) -> Keeping | None:
    """``rejected = false`` keeps none; else a table, of which every key has a default."""
    if read.rejected is False:
        return None
    own = read_table(RejectedTable, read.rejected, f"{table}.rejected", mistakes)
    if own is None:
        return None
    if own.size > own.total:
        mistakes.add(f"{table}.rejected", "total", "is less than the size of one request")
    return Keeping(size=own.size, rate=own.rate, total=own.total, days=own.keep)


def _dedupe_window(read: SourceTable, provider: Provider, table: str, mistakes: Mistakes) -> int:
    """At least as long as the provider goes on sending an event again."""
    needed = (provider.retry_window_seconds or 0) * 1_000
    if read.dedupe_window is None:
        if read.dedupe == "body":
            mistakes.add_missing(
                table,
                "dedupe_window",
                'is missing; dedupe = "body" has to say for how long an equal body is the same '
                'event, such as "10m"',
            )
        return max(DEFAULT_DEDUPE_WINDOW_MS, needed)
    if read.dedupe_window < needed and read.dedupe == "provider":
        mistakes.add(
            table,
            "dedupe_window",
            f"is shorter than the {format_duration(needed)} in which {provider.slug} may send an "
            "event again; its late retries would be new events",
        )
    elif read.dedupe_window < 1:
        mistakes.add(table, "dedupe_window", 'must be more than "0s"; dedupe = "off" turns it off')
    return read.dedupe_window
