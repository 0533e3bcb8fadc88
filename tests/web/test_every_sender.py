"""The whole catalogue against a receiver: what is made for a provider is taken as its event."""

import time
from pathlib import Path

import httpx
import pytest

from ingest.cli.posting import wire_headers
from ingest.config.settings import Settings
from ingest.signing import sign
from ingest.simulator.forging import strangers_credential
from ingest.testing import make_webhook
from ingest.verify import Request
from tests.unit.signing.catalogue import SIGNED, SLUGS, Known, known
from tests.web.rig import SECRET, count_events, make_settings, receiving, stored

pytestmark = pytest.mark.anyio


def _table(entry: Known, folder: Path) -> str:
    """The source of one provider, in the words of hookkeeper.toml."""
    slug = entry.provider.slug
    lines = [f"[sources.{slug}]", f'provider = "{slug}"']
    if entry.secrets:
        secret = folder / f"{slug}.secret"
        secret.write_bytes(entry.secrets[0].value)
        secret.chmod(0o600)
        lines.append(f'secrets = ["file:{secret.name}"]')
    if entry.provider.family == "none" and slug != "none":
        lines.append("unproved = true")
    if entry.options:
        options = ", ".join(f'{name} = "{value}"' for name, value in entry.options.items())
        lines.append(f"options = {{ {options} }}")
    return "\n".join(lines) + "\n"


async def _post(client: httpx.AsyncClient, slug: str, request: Request) -> httpx.Response:
    path = f"/in/{slug}?{request.query}" if request.query else f"/in/{slug}"
    return await client.post(path, content=request.body, headers=wire_headers(request))


async def test_every_provider_is_taken_and_every_forger_refused(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "hookkeeper.toml").write_text(
        "\n".join(_table(known(slug), tmp_path) for slug in SLUGS)
    )
    settings = make_settings(tmp_path, database_url, PUBLIC_URL="https://hooks.example.com")
    wrong: list[tuple[object, ...]] = []
    async with receiving(settings) as client:
        for slug in SLUGS:
            entry = known(slug)
            answer = await _post(client, slug, entry.signed(entry.composed(), _now()))
            if not answer.is_success:
                wrong.append((slug, answer.status_code, answer.text))
        for slug in SIGNED:
            entry = known(slug)
            forged = sign(
                entry.provider,
                entry.composed().draft,
                strangers_credential(entry.provider),
                _now(),
                options=entry.options,
            )
            answer = await _post(client, slug, forged)
            if answer.status_code != entry.provider.failure_status:
                wrong.append((slug, answer.status_code, "a forgery"))
    assert wrong == []
    assert count_events(database_url) == len(SLUGS)


async def test_the_event_that_is_kept_is_the_one_that_was_made(settings: Settings) -> None:
    made = make_webhook("github", "issues.opened", secret=SECRET, public_url="http://hooks.test")
    async with receiving(settings) as client:
        answer = await client.post(made.path, content=made.body, headers=made.headers)
        event = stored(settings.database_url, answer.json()["id"])
    assert event.type == made.event.type == "issues.opened"
    assert event.provider_event_id == made.event.provider_event_id
    assert (event.body, event.content_type) == (made.event.body, made.event.content_type)
    assert event.type_signed is made.event.type_signed is False
    assert set(made.event.headers) <= set(event.headers)


def _now() -> int:
    return time.time_ns() // 1_000_000
