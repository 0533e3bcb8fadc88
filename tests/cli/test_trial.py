"""``hookkeeper destinations test``: one attempt, now, with nothing running and nothing stored."""

import json
from pathlib import Path

import pytest

from tests.cli.command import run
from tests.services.sink import Answer, Sink

CHAT = '[destinations.chat]\nkind = "slack"\nurl = "env:CHAT_URL"\nallow = ["127.0.0.0/8"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hookkeeper.toml").write_text(CHAT)
    return tmp_path


def test_people_get_a_test_message(folder: Path, sink: Sink) -> None:
    sink.script("/chat", Answer(body=b"ok"))

    done = run(folder, "destinations", "test", "chat", settings={"CHAT_URL": sink.url("/chat")})

    assert (done.code, done.err) == (0, "")
    assert "chat took a test message (http_200)." in done.out
    (request,) = sink.requests("/chat")
    assert "This is a test of the destination chat. It works." in json.loads(request.body)["text"]
    assert list(folder.rglob("hookkeeper.db*")) == [], "nothing is stored"


def test_a_service_gets_a_signed_test_event(folder: Path, sink: Sink) -> None:
    (folder / "hookkeeper.toml").write_text(
        f'[destinations.billing]\nurl = "{sink.url("/in")}"\nsecret = "env:SECRET"\n'
        'allow = ["127.0.0.0/8"]\n'
    )

    done = run(folder, "destinations", "test", "billing", settings={"SECRET": "whsec_c2VjcmV0"})

    assert done.code == 0
    (request,) = sink.requests("/in")
    assert request.header("webhook-signature").startswith("v1,")


def test_what_was_wrong_is_said_and_the_exit_code_says_so(folder: Path, sink: Sink) -> None:
    sink.script("/chat", Answer(403, body=b"invalid_token"))
    settings = {"CHAT_URL": sink.url("/chat")}

    done = run(folder, "destinations", "test", "chat", settings=settings)
    as_json = run(folder, "destinations", "test", "chat", "--json", settings=settings)

    assert done.code == as_json.code == 1
    assert "chat did not take it: retryable, The webhook answered 403: invalid_token" in done.err
    assert (as_json.json["name"], as_json.json["code"]) == ("chat", "http_403")


def test_a_wrong_name_or_file_sends_nothing(folder: Path) -> None:
    unknown = run(folder, "destinations", "test", "chatt", settings={"CHAT_URL": "https://x.org"})
    broken = run(folder, "destinations", "test", "chat")

    assert unknown.code == broken.code == 2
    assert "there is no destination 'chatt'; did you mean \"chat\"?" in unknown.err
    assert "environment variable CHAT_URL is not set" in broken.err
