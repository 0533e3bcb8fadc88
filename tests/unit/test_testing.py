"""What users test their handlers with: the fixture, and the webhooks that it makes."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest.errors import NotFound
from ingest.signing import new_private_key, private_text
from ingest.testing import make_webhook
from ingest.verify import Request, Secret, Verified, custom_provider, load_catalogue, verify

ROOT = Path(__file__).parents[2]
NOW = 1_760_000_000_000
HANDLERS = """
from ingest import Event, Permanent, on

deployed = []


@on("github", "push")
def deploy(event: Event) -> None:
    if event.json()["ref"] == "refs/heads/broken":
        raise Permanent("this branch is never deployed")
    deployed.append(event.id)
"""
TESTS = """
import handlers
import pytest
from ingest import Permanent


def test_a_push_is_deployed(hookkeeper_webhook):
    webhook = hookkeeper_webhook("github", "push")
    handlers.deploy(webhook.event)
    assert handlers.deployed == [webhook.event.id]


def test_a_broken_branch_is_not(hookkeeper_webhook):
    with pytest.raises(Permanent):
        handlers.deploy(hookkeeper_webhook("github", body={"ref": "refs/heads/broken"}).event)
"""


def test_a_user_tests_a_handler_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["ingest.testing"]\n')
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "test_handlers.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        ("github", {}),
        ("slack", {}),
        ("twilio", {}),
        ("telnyx", {}),
        ("tiktok_shop", {"app_key": "1"}),
    ],
)
def test_a_request_proves_itself_to_a_receiver(provider: str, options: Mapping[str, str]) -> None:
    made = make_webhook(provider, options=options, now=NOW)
    request = Request(made.method, made.url, tuple(made.headers.items()), made.body)
    entry, secrets = load_catalogue()[provider], [Secret("s", made.secret)]
    verdict = verify(entry, request, secrets, NOW, options=options)
    assert isinstance(verdict, Verified)
    assert made.event.type == verdict.event_type
    assert made.event.provider_event_id == verdict.event_id
    assert made.event.body == made.body
    assert made.path == f"/in/{provider}"


def test_the_secret_may_be_ones_own() -> None:
    made = make_webhook("stripe", "invoice.paid", secret="whsec_mine", now=NOW)
    assert made.secret == b"whsec_mine"
    assert made.event.type == "invoice.paid"
    key = new_private_key(load_catalogue()["telnyx"])
    signed = make_webhook("telnyx", secret=private_text(key))
    assert signed.secret.startswith(b"-----BEGIN PUBLIC KEY")


def test_every_one_is_a_new_event() -> None:
    one, other = make_webhook("stripe"), make_webhook("stripe")
    assert one.event.id != other.event.id
    assert one.event.provider_event_id != other.event.provider_event_id


def test_a_type_of_ones_own_where_there_are_no_samples() -> None:
    assert make_webhook("twilio", "delivered").event.type == "delivered"
    with pytest.raises(NotFound, match=r"there are: checkout\.session\.completed"):
        make_webhook("stripe", "nothing")


def test_a_body_of_ones_own_is_sent_byte_for_byte() -> None:
    made = make_webhook("github", "push", body=b'{"ref":  "x"}')
    assert made.body == b'{"ref":  "x"}'
    assert made.event.type == "push"
    assert made.event.header("x-github-event") == "push"


def test_a_scheme_of_ones_own_is_signed_for_too() -> None:
    scheme = {"family": "hmac", "header": "X-Acme", "event_type": "body:kind"}
    made = make_webhook("acme", "made", scheme=scheme, secret="s", source="acme-eu", now=NOW)
    request = Request(made.method, made.url, tuple(made.headers.items()), made.body)
    entry = custom_provider("acme", scheme)
    assert isinstance(verify(entry, request, [Secret("s", b"s")], NOW), Verified)
    assert (made.event.source, made.event.type) == ("acme-eu", "made")
    assert made.path == "/in/acme-eu"


def test_handlers_see_credentials_as_digests_here_as_well() -> None:
    made = make_webhook("gitlab", secret="very secret")
    assert made.headers["X-Gitlab-Token"] == "very secret"
    assert "very secret" not in str(made.event)
    assert "very secret" not in repr(made.secret) or made.secret == b"very secret"
    paymob = make_webhook("paymob")
    assert "hmac=" in paymob.path
    assert paymob.event.query.startswith("hmac=hmac-sha256")


def test_what_cannot_be_made_says_why() -> None:
    with pytest.raises(ValueError, match="no provider 'nobody', and no scheme"):
        make_webhook("nobody")
    with pytest.raises(ValueError, match="covers the option:app_key"):
        make_webhook("tiktok_shop")
