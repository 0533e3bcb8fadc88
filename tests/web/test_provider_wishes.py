"""What an entry says of its provider is what the receiver does: statuses, deadline, warning."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ingest.config.settings import Settings
from ingest.verify import load_catalogue
from tests.waiting import wait_until_async
from tests.web.rig import github_headers, receiving, sample

pytestmark = pytest.mark.anyio
CATALOGUE = load_catalogue()
#: Providers whose entry wants a certain status for what proves nothing.
WANTING = [slug for slug, one in CATALOGUE.items() if "failure_status" in one.model_fields_set]


def _secrets() -> dict[str, str]:
    rsa = generate_private_key(65537, 2048).public_key()
    edwards = Ed25519PrivateKey.generate().public_key()
    return {
        "highlevel": rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "discord": edwards.public_bytes_raw().hex(),
    }


def _forged(slug: str) -> dict[str, str]:
    """Headers with a signature of the right form that nobody made with the secret."""
    entry = CATALOGUE[slug]
    made = bytes(64 if entry.family == "ed25519" else 256 if entry.family == "rsa" else 32)
    text = made.hex() if entry.encoding == "hex" else base64.b64encode(made).decode()
    headers = dict.fromkeys(entry.header, text)
    stamps = entry.timestamp.atoms if entry.timestamp else ()
    return headers | {atom.name: "1700000000" for atom in stamps}


def test_the_ones_that_the_research_names_want_their_status() -> None:
    wanted = {slug: CATALOGUE[slug].failure_status for slug in WANTING}
    known = {
        "xero": 401,
        "discord": 401,
        "highlevel": 429,
        "gocardless": 498,
        "contentful": 429,
        "typeform": 429,
        "zendesk": 409,
    }
    assert wanted.items() >= known.items()


@pytest.mark.parametrize("slug", WANTING)
async def test_an_unproved_request_is_answered_as_its_provider_wants(
    slug: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", _secrets().get(slug, "a secret of the provider's"))
    secrets = "" if CATALOGUE[slug].knows_keys else 'secrets = ["env:SECRET"]'
    settings.config_path.write_text(f'[sources.it]\nprovider = "{slug}"\n{secrets}\n')
    async with receiving(settings) as client:
        forged = await client.post("/in/it", content=b"{}", headers=_forged(slug))
        bare = await client.post("/in/it", content=b"{}")
    wanted = CATALOGUE[slug].failure_status
    assert (forged.status_code, bare.status_code) == (wanted, wanted)
    if CATALOGUE[slug].failure_body is None:
        assert bare.json()["error"]["code"] in ("missing_signature", "missing_signed_header")
    else:
        assert bare.text == CATALOGUE[slug].failure_body


async def test_praxis_hears_an_answer_that_is_signed_with_the_secret_it_used(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other is "an unrecognized format" to it, and the event comes again after 5 minutes."""
    monkeypatch.setenv("OLD", "yesterday's")
    monkeypatch.setenv("NEW", "today's")
    source = '[sources.p]\nprovider = "praxis"\nsecrets = ["env:OLD", "env:NEW"]\n'
    settings.config_path.write_text(source)
    body = {"merchant_id": "m", "timestamp": 7, "version": "1.3", "transaction": {"tid": 1}}
    signature = hashlib.sha384(b"m71today's").hexdigest()
    async with receiving(settings) as client:
        answers = [
            await client.post("/in/p", json=body, headers={"gt-authentication": signature})
            for _ in range(2)
        ]
    for answer in answers:  # the second is a duplicate
        said = answer.json()
        assert (answer.status_code, said["status"], said["version"]) == (200, 0, "1.3")
        signed = f"0{said['timestamp']}today's".encode()
        assert answer.headers["gt-authentication"] == hashlib.sha384(signed).hexdigest()


async def test_answers_are_timed_against_what_the_provider_waits(settings: Settings) -> None:
    """GitHub waits 10 s; the source `open` is nobody's, so nobody waits."""
    assert CATALOGUE["github"].deadline_seconds == 10
    names = ("hookkeeper_ack_seconds_sum", "hookkeeper_ack_deadline_ratio_sum")
    count = "hookkeeper_ack_deadline_ratio_count"
    before = [sample(name, source="github") for name in (*names, count)]
    async with receiving(settings) as client:
        for delivery in ("w-1", "w-2", "w-1"):
            headers = github_headers(b"{}", delivery=delivery)
            assert (await client.post("/in/github", content=b"{}", headers=headers)).is_success
        await client.post("/in/github", content=b"{}")
        assert (await client.post("/in/open", content=b"{}")).is_success
    after = [sample(name, source="github") for name in (*names, count)]
    seconds, ratio, answers = (new - old for new, old in zip(after, before, strict=True))
    assert answers == 3, "duplicates are acknowledged too, what proves nothing is not"
    assert ratio == pytest.approx(seconds / 10)
    assert sample("hookkeeper_ack_seconds_count", source="open") > 0
    assert sample(count, source="open") == 0


async def test_an_uncertain_source_is_told_at_the_start_and_when_it_is_added(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ingest.reception._TICK_SECONDS", 0.02)
    monkeypatch.setenv("SECRET", "x" * 40)
    one = '[sources.first]\nprovider = "ably"\nsecrets = ["env:SECRET"]\n'
    settings.config_path.write_text(one)
    lines: list[str] = []

    def warned() -> list[str]:
        lines.extend(capsys.readouterr().out.splitlines())
        found = [json.loads(line) for line in lines if "source.uncertain" in line]
        return [each["source"] for each in found]

    async with receiving(settings):
        assert warned() == ["first"]
        settings.config_path.write_text(one + one.replace("first", "second"))
        await wait_until_async(lambda: "second" in warned(), describe="the added source's warning")
    assert warned() == ["first", "second"]
