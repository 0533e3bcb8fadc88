"""Choose what ``send`` sends, sign it, post it."""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit
from ingest.config.mistakes import did_you_mean
from ingest.config.model import Config, Source
from ingest.errors import NotFound
from ingest.samples import Sample, sample, samples
from ingest.verify import Secret
from ingest.verify.sign import sign

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Parcel:
    """A sample, the source whose secret signs it, and where it is posted.

    ``verbatim``: the body is the user's own, and is sent as it is.
    """

    source: Source
    sample: Sample
    url: str
    verbatim: bool


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


def chosen_sample(provider: str, event: str | None, body: Path | None) -> Sample:
    """The named sample, the best default, or a file's bytes. Raises CommandFailed."""
    if body is not None:
        return Sample(event or "", _read(body), (("content-type", "application/json"),))
    names = samples(provider)
    if not names:
        raise CommandFailed(
            f"there are no samples of {provider!r}; send a file: --body FILE", Exit.USAGE
        )
    if event is None:
        event = "push" if "push" in names else names[0]
    try:
        return sample(provider, event)
    except NotFound as error:
        raise CommandFailed(str(error), Exit.USAGE) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error


def post(parcel: Parcel, count: int, *, as_json: bool) -> bool:
    """Post it ``count`` times and print each answer; whether every one was a success.

    Raises CommandFailed where nothing listens.
    """
    succeeded = True
    with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
        for _ in range(count):
            body = parcel.sample.body if parcel.verbatim else _with_fresh_id(parcel)
            try:
                response = client.post(parcel.url, content=body, headers=_headers(parcel, body))
            except httpx.HTTPError as error:
                raise CommandFailed(_unreachable(parcel.url, error), Exit.UNREACHABLE) from error
            succeeded &= response.is_success
            _print(parcel, response, as_json=as_json)
    return succeeded


def _with_fresh_id(parcel: Parcel) -> bytes:
    """The sample with an id of its own where its body holds the id: else it is a duplicate."""
    template = parcel.source.provider.event_id
    paths = [atom.path for atom in template.atoms if atom.place == "body"] if template else []
    if not paths:
        return parcel.sample.body
    content = json.loads(parcel.sample.body)
    for path in paths:
        _renew(content, path)
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def _renew(content: Any, path: Sequence[str]) -> None:
    """Replace the text at a path, if there is one, by another of its kind."""
    for key in path[:-1]:
        content = content.get(key) if isinstance(content, dict) else None
    old = content.get(path[-1]) if isinstance(content, dict) else None
    if isinstance(old, str):
        prefix, underscore, _ = old.rpartition("_")  # Stripe's ids begin with their kind: evt_
        content[path[-1]] = prefix + underscore + uuid.uuid4().hex


def _headers(parcel: Parcel, body: bytes) -> list[tuple[str, str]]:
    """The sample's own headers, with signature, type and a fresh id in place of its own."""
    now = int(time.time() * 1000)
    secret = _live_secret(parcel.source, now)
    try:
        made = sign(
            parcel.source.provider,
            body,
            secret.value if secret else b"",
            now,
            parcel.sample.event_type,
            str(uuid.uuid4()),
        )
    except ValueError as error:
        raise CommandFailed(f"the event cannot be signed: {error}", Exit.USAGE) from error
    names = {name.lower() for name, _ in made}
    return [pair for pair in parcel.sample.headers if pair[0].lower() not in names] + made


def _live_secret(source: Source, now: int) -> Secret | None:
    """The first secret that has not expired, or None for a source that needs none."""
    live = [secret for secret in source.secrets if not secret.expired(now)]
    if source.secrets and not live:
        raise CommandFailed(f"every secret of source {source.name!r} has expired", Exit.USAGE)
    return live[0] if live else None


def _print(parcel: Parcel, response: httpx.Response, *, as_json: bool) -> None:
    """``202 accepted 0193...``, or the status and the answer's own words."""
    answer: Any = response.text
    if response.headers.get("content-type", "").startswith("application/json"):
        answer = response.json()
    if as_json:
        output.line({"status": response.status_code, "url": parcel.url, "answer": answer})
    elif isinstance(answer, dict) and {"id", "status"} <= answer.keys():
        print(response.status_code, output.printable(answer["status"]), answer["id"])
    else:
        print(response.status_code, output.printable(response.text))


def _unreachable(url: str, error: httpx.HTTPError) -> str:
    return (
        f"nothing took the event at {url} ({error}). Nothing was sent.\n"
        "Is `hookkeeper up` running in this folder? --url posts somewhere else."
    )
