"""Choose what ``send`` sends, and to whom; list what there is; make keys to try it with."""

import time
from collections.abc import Mapping
from pathlib import Path

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.key_pairs import make_pair, private_keys
from ingest.cli.located_config import located_config
from ingest.cli.posting import Parcel, post
from ingest.config.mistakes import did_you_mean
from ingest.config.model import Config, Source
from ingest.config.settings import Settings
from ingest.origin import origin
from ingest.samples import Sample, providers, samples
from ingest.signing import Unsignable
from ingest.simulator.senders import Sender, sender_of

_PREFERRED = "push"  # what people try first; else the first sample


def send_event(
    settings: Settings,
    provider: str,
    event: str | None,
    source: str | None,
    body: Path | None,
    count: int,
    url: str | None,
    *,
    as_json: bool,
) -> bool:
    """Send, print each answer, and say whether all were successes. Raises CommandFailed."""
    found = chosen_source(located_config(settings), provider, source)
    here = f"{origin(settings.host, settings.port)}/in/{found.name}"
    target = url or here
    sender = _sender(found, _signed_url(settings, found.name, target), settings.data)
    parcel = Parcel(
        sender, _chosen_event(found.provider.slug, event), _own_body(event, body), target
    )
    return post(parcel, count, as_json=as_json)


def _signed_url(settings: Settings, name: str, target: str) -> str:
    """The URL that the receiver takes a request to have come by."""
    return f"{settings.public_url}/in/{name}" if settings.public_url else target


def _sender(source: Source, url: str, data: Path) -> Sender:
    key = private_keys(data).get(source.provider.slug)
    try:
        return sender_of(source, url, time.time_ns() // 1_000_000, key)
    except Unsignable as reason:
        hint = _hint(source, data)
        raise CommandFailed(f"{reason}. Nothing was sent.{hint}", Exit.USAGE) from None


def _hint(source: Source, data: Path) -> str:
    """How a source can believe a key of one's own for a while, where a key is what is missing."""
    slug = source.provider.slug
    if source.provider.family not in ("ed25519", "ecdsa", "rsa", "jwt"):
        return ""
    if (data / "keys" / f"{slug}.pub").exists():
        return f"\nTo try it, {_advice(data / 'keys' / f'{slug}.pub', source.name)}"
    return f"\nTo try it with a key pair of your own: hookkeeper send {slug} --new-key"


def _advice(public: Path, source: str) -> str:
    """The line of hookkeeper.toml that lets a source believe a key."""
    shown = public.relative_to(Path.cwd()) if public.is_relative_to(Path.cwd()) else public
    return (
        "for as long as you try, let the source believe it, in hookkeeper.toml:\n"
        f"  [sources.{source}]\n"
        f'  secrets = ["file:{shown}"]'
    )


def say_new_key(data: Path, slug: str, *, as_json: bool) -> None:
    """Make a key pair and say how a source believes it. Raises CommandFailed."""
    public = make_pair(data, slug)
    if as_json:
        output.document({"private": str(public.with_suffix(".pem")), "public": str(public)})
        return
    print(f"{public.with_suffix('.pem')} signs for {slug}; {_advice(public, slug)}")


def list_samples(provider: str | None, *, as_json: bool) -> None:
    """Print the samples of a provider, or of all. Raises CommandFailed where there are none."""
    if provider is not None and not samples(provider):
        raise CommandFailed(
            f"there are no samples of {provider!r}: its events are made from its entry, of any "
            f"type: hookkeeper send {provider} TYPE"
        )
    found: Mapping[str, list[str]] = {
        name: samples(name) for name in ([provider] if provider else providers())
    }
    if as_json:
        output.document(found)
    else:
        output.table(
            ["provider", "event"], [(name, event) for name in found for event in found[name]]
        )


def chosen_source(config: Config, provider: str, source: str | None) -> Source:
    """The source of that name, else the first of that provider. Raises CommandFailed."""
    if source is not None:
        if source not in config.sources:
            raise CommandFailed(
                f"there is no source {source!r}; {did_you_mean(source, config.sources)}", Exit.USAGE
            )
        return config.sources[source]
    for each in config.sources.values():
        if provider == each.name:
            return each
    for each in config.sources.values():
        if provider == each.provider.slug:
            return each
    known = {each.provider.slug for each in config.sources.values()} | set(config.sources)
    raise CommandFailed(
        f"hookkeeper.toml has no source of provider {provider!r}; {did_you_mean(provider, known)}",
        Exit.USAGE,
    )


def _chosen_event(provider: str, event: str | None) -> str:
    names = samples(provider)
    if event is not None or not names:
        return event or ""
    return _PREFERRED if _PREFERRED in names else names[0]


def _own_body(event: str | None, path: Path | None) -> Sample | None:
    """The user's own bytes as an event, with its type where that stands in a header."""
    if path is None:
        return None
    try:
        body = path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error
    return Sample(event or "", body, (("content-type", "application/json"),))
