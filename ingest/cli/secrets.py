"""``hookkeeper secrets``: what each source believes, since when, and until when."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.cli.secret_checks import SourceFound

SourceName = Annotated[str, typer.Argument(help="A source of hookkeeper.toml.")]


def check(as_json: Json = False) -> None:
    """Say of every secret by name whether it is in force, until when, and when it was last used.

    Fails where a source has none that is in force.
    """
    from ingest.cli.secret_checks import checked

    found = checked()
    if as_json:
        output.document(found)
    else:
        output.table(
            ("source", "secret", "state", "ends", "learned", "last used", "notes"),
            [row for source in found for row in _rows(source)],
            spare=("learned", "ends", "last used", "notes"),
        )
        for source in found:
            for warning in source.warnings:
                print(f"{source.name}: {warning}")
    if not all(source.live for source in found):
        raise typer.Exit(Exit.FAILED)


def _rows(source: "SourceFound") -> list[tuple[str, ...]]:
    if not source.secrets and source.live:
        return [(source.name, "(none)", "not needed", "", "", "", "")]
    return [
        (
            source.name,
            secret.name,
            secret.state,
            output.moment(secret.ends_at) or "never",
            output.moment(secret.learned_at),
            output.moment(secret.last_used_at),
            "; ".join(secret.notes),
        )
        for secret in source.secrets
    ]


def learn(
    source: SourceName,
    for_: Annotated[str, typer.Option("--for", help="How long: 90s, 10m, 1h.")] = "10m",
    as_json: Json = False,
) -> None:
    """Let a source learn one secret more from its provider's handshake, within a while."""
    from ingest.cli.events import duration
    from ingest.cli.located import located_database, located_settings
    from ingest.cli.located_config import located_config
    from ingest.config.mistakes import did_you_mean
    from ingest.config.sources import learns
    from ingest.store.learned_secrets import open_window

    settings = located_settings()
    sources = located_config(settings).sources
    if source not in sources:
        raise CommandFailed(f"there is no source {source!r}; {did_you_mean(source, sources)}")
    if not learns(sources[source].provider):
        slug = sources[source].provider.slug
        raise CommandFailed(f"{slug} says no secret in a handshake: write it into hookkeeper.toml.")
    with located_database(settings) as database:
        until = open_window(database, source, duration(for_))
    if as_json:
        output.document({"source": source, "open_until": until})
    else:
        print(f"{source} learns one secret until {output.moment(until)}. Make the webhook now.")


def retire(
    source: SourceName,
    secret: Annotated[str, typer.Argument(help="Its name, as `secrets check` shows it.")],
    as_json: Json = False,
) -> None:
    """Take a learned secret out of force, within a second and for good."""
    from ingest.cli.located import located_database
    from ingest.store.learned_secrets import retire as retire_secret

    with located_database() as database:
        retire_secret(database, source, secret)
    if as_json:
        output.document({"source": source, "retired": secret})
    else:
        print(f"Nothing that {secret} signs is believed any more.")
