"""Read a request from a command line or from JSON lines, verify it, and print the verdict."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.located import located_settings
from ingest.cli.located_config import located_config
from ingest.config.mistakes import did_you_mean
from ingest.config.references import References
from ingest.verify import Provider, Rejected, Request, Secret, load_catalogue, verify
from ingest.verify.lines import verify_line


@dataclass(frozen=True)
class Given:
    """A request as it was typed. ``headers`` as "Name: value", ``secrets`` as references."""

    method: str
    url: str
    headers: tuple[str, ...]
    body: str
    secrets: tuple[str, ...]
    check_time: bool


def judge_lines() -> None:
    """Answer every line of stdin with one line, in order, whatever it holds."""
    catalogue = load_catalogue()
    for raw in sys.stdin.buffer:
        if raw.strip():
            print(json.dumps(verify_line(_parsed(raw), catalogue)), flush=True)


def _parsed(raw: bytes) -> dict[str, Any]:
    """The line as an object; {} (which no provider matches) for anything else."""
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def judge(name: str, given: Given, *, as_json: bool) -> bool:
    """Verify one request and print the verdict; whether it is valid. Raises CommandFailed."""
    provider, secrets, options = _chosen(name, given.secrets)
    request = Request(
        given.method.upper(), given.url, tuple(map(_header, given.headers)), _body(given.body)
    )
    now = int(time.time() * 1000) if given.check_time else None
    verdict = verify(provider, request, secrets, now, options=options)
    if as_json:
        valid = not isinstance(verdict, Rejected)
        output.document({"provider": provider.slug, "valid": valid, **output.plain(verdict)})
    elif isinstance(verdict, Rejected):
        print(f"not valid: {verdict.reason}\n{verdict.detail}")
        print(f"{len(request.body):,} bytes of body were checked against {_count(secrets)}.")
        if provider.docs:
            print(f"How {provider.name} signs: {provider.docs}")
    else:
        kind = output.printable(verdict.event_type) or "(no type)"
        print(f"valid: {provider.name or provider.slug} {kind}")
        print(f"id {output.printable(verdict.event_id or 'none')}, {_signed(verdict.id_signed)}")
        print(f"proved by {verdict.secret_name or 'nothing: this source needs no secret'}")
    return not isinstance(verdict, Rejected)


def _chosen(
    name: str, references: tuple[str, ...]
) -> tuple[Provider, tuple[Secret, ...], Mapping[str, str]]:
    """A source's provider, secrets and options, else a provider of the catalogue and no options."""
    given = tuple(_secret(reference) for reference in references)
    catalogue = load_catalogue()
    settings = located_settings()
    if settings.config_path.exists():
        source = located_config(settings).sources.get(name)
        if source is not None:
            return source.provider, given or source.secrets, source.options
    if name not in catalogue:
        raise CommandFailed(
            f"{name!r} is no source here and no provider of the catalogue; "
            f"{did_you_mean(name, catalogue)}",
            Exit.USAGE,
        )
    return catalogue[name], given, {}


def _secret(reference: str) -> Secret:
    try:
        return Secret(reference, References(os.environ, Path.cwd()).read(reference))
    except ValueError as error:
        raise CommandFailed(f"--secret: {error}", Exit.USAGE) from None


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator:
        raise CommandFailed(f"--header needs 'Name: value', got {text!r}", Exit.USAGE)
    return name.strip(), value.strip()


def _body(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandFailed(f"{name} cannot be read: {error.strerror}", Exit.USAGE) from error


def _count(secrets: tuple[Secret, ...]) -> str:
    return f"{len(secrets)} secret{'' if len(secrets) == 1 else 's'}"


def _signed(signed: bool) -> str:
    return "which is signed" if signed else "which is not signed: it counts with the body's digest"
