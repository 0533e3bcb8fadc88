"""``hookkeeper providers``: who is known, and how each is set up."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.output import Json

if TYPE_CHECKING:
    from ingest.providers.sheet import Place, Sheet

_WIDTH = 13
_UNKNOWN = "not documented"


def list_(
    text: Annotated[str | None, typer.Argument(help="Only those with this in their name.")] = None,
    family: Annotated[str | None, typer.Option(help="Only of this family, such as hmac.")] = None,
    evidence: Annotated[
        str | None, typer.Option(help="Only proven, documented or community ones.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the providers that can be named in hookkeeper.toml."""
    from ingest.providers.finding import EVIDENCE, FAMILIES, find
    from ingest.verify import load_catalogue

    _check("family", family, FAMILIES)
    _check("evidence", evidence, EVIDENCE)
    found = find(load_catalogue(), text, family, evidence)
    columns = ("provider", "name", "family", "evidence", "docs")
    rows = [(one.slug, one.name, one.family, one.evidence, one.docs) for one in found]
    if as_json:
        output.document([dict(zip(columns, row, strict=True)) for row in rows])
        return
    output.table(columns, rows, spare=("docs", "family", "name"))
    if not rows:
        output.note("No such provider. Any other sender: describe it in [sources.NAME.scheme].")


def show(
    provider: Annotated[str, typer.Argument(help="A provider, as `providers list` names it.")],
    source: Annotated[
        str | None, typer.Option(help="The source's name; default: the provider's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell how a provider is set up, what proves its requests, and what it expects."""
    from ingest.cli.located import located_settings
    from ingest.config.mistakes import did_you_mean
    from ingest.providers.sheet import sheet
    from ingest.verify import load_catalogue

    catalogue = load_catalogue()
    if provider not in catalogue:
        hint = did_you_mean(provider, catalogue)
        raise CommandFailed(f"{provider!r} is not in the catalogue; {hint}", Exit.USAGE)
    public_url = located_settings().public_url
    found = sheet(catalogue[provider], public_url=public_url, source=source or provider)
    if as_json:
        output.document(found)
        return
    _tell(found)
    if public_url is None:
        output.note("\nSet HOOKKEEPER_PUBLIC_URL to see the address as it is to be pasted.")


def _check(option: str, value: str | None, valid: Collection[str]) -> None:
    from ingest.config.mistakes import did_you_mean

    if value is not None and value not in valid:
        hint = did_you_mean(value, valid)
        raise CommandFailed(f"there is no {option} {value!r}; {hint}", Exit.USAGE)


def _tell(found: "Sheet") -> None:
    print(f"{found.name} ({found.provider})\n")
    _facts(
        ("set up", found.setup),
        ("address", found.address),
        ("docs", found.docs),
        ("evidence", f"{found.evidence}: {found.evidence_means}"),
    )
    print(f"\n{found.source}\n")
    _facts(
        ("proved by", f"{found.family_means}: {found.algorithm}"),
        ("stands in", found.signature),
        ("signed", found.signed),
        *(("or", text) for text in found.also),
        ("secret", found.secret),
        ("time", _time(found)),
        ("event type", _place(found.event_type)),
        ("event id", _place(found.event_id)),
        ("duplicates", found.dedupe),
        *(("handshake", text) for text in found.handshakes),
    )
    print()
    _facts(
        ("success", found.success),
        ("not proved", str(found.failure_status)),
        ("deadline", _seconds(found.deadline_seconds)),
        ("sends again", _again(found)),
        ("try it", found.send or "only the provider can sign: send a test event from there"),
    )


def _facts(*facts: tuple[str, str]) -> None:
    for name, value in facts:
        if value:
            print(f"{name:<{_WIDTH}}{output.printable(value)}")


def _time(found: "Sheet") -> str:
    if found.timestamp is None:
        return "none is signed"
    return f"{found.timestamp}, at most {found.tolerance_seconds} s from now"


def _place(place: "Place | None") -> str:
    if place is None:
        return "none is known"
    said = {"yes": "signed", "no": "not signed", "in part": "signed in part"}[place.signed]
    return f"{place.where} ({said})"


def _seconds(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else f"{seconds:g} s"


def _again(found: "Sheet") -> str:
    from ingest.config.durations import format_duration

    if found.retries == 0:
        return "never by itself: whoever wants an event again asks for it there"
    if found.retry_waits_seconds:
        waits = [format_duration(seconds * 1000) for seconds in found.retry_waits_seconds]
        return f"after {', then '.join(waits)}"
    times = "" if found.retries is None else f"{found.retries} times"
    seconds = found.retry_window_seconds
    window = "" if seconds is None else f"for {format_duration(seconds * 1000)}"
    return ", ".join(filter(None, (times, window))) or _UNKNOWN
