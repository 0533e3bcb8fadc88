"""``hookkeeper verify``: one request for people, many as JSON lines."""

import hmac
import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import argv, environ, run

# GitHub's own example: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
BODY = b"Hello, World!"
SECRET = "It's a Secret to Everybody"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
LINE = {
    "id": "github-001",
    "provider": "github",
    "method": "POST",
    "url": "https://hooks.example.com/in/acme",
    "headers": {"X-Hub-Signature-256": SIGNATURE, "X-GitHub-Event": "ping"},
    "body": BODY.decode(),
    "body_encoding": "utf8",
    "now": None,
    "secret": SECRET,
}
HEADERS = (
    "--header",
    f"X-Hub-Signature-256: {SIGNATURE}",
    "--header",
    "X-GitHub-Event: ping",
)


def secret_file(folder: Path, secret: str = SECRET) -> str:
    (folder / "secret").write_text(secret)
    return "file:secret"


def test_a_valid_request_is_explained(tmp_path: Path) -> None:
    secret = secret_file(tmp_path)

    done = run(tmp_path, "verify", "github", "--secret", secret, *HEADERS, stdin=BODY)

    assert done.code == 0
    assert "valid: GitHub ping" in done.out
    assert "file:secret" in done.out


def test_a_body_can_be_a_file_and_the_verdict_json(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    secret = secret_file(tmp_path)
    arguments = ("verify", "github", "--body", "body", "--secret", secret, "--json")

    done = run(tmp_path, *arguments, *HEADERS)

    assert done.json["valid"] is True
    assert done.json["event_type"] == "ping"


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ((), BODY, "missing_signature"),
        (HEADERS, BODY + b" ", "bad_signature"),
        (("--header", "X-Hub-Signature-256: nonsense"), BODY, "malformed_signature"),
    ],
)
def test_the_step_that_failed_is_named_and_no_secret_shown(
    tmp_path: Path, headers: tuple[str, ...], body: bytes, reason: str
) -> None:
    secret = secret_file(tmp_path)

    done = run(tmp_path, "verify", "github", "--secret", secret, *headers, stdin=body)

    assert done.code == 1
    assert f"not valid: {reason}" in done.out
    assert SECRET not in done.out + done.err


def test_a_source_brings_its_own_secrets(tmp_path: Path) -> None:
    secret_file(tmp_path)
    (tmp_path / "hookkeeper.toml").write_text(
        '[sources.shop]\nprovider = "github"\nsecrets = ["file:secret"]\n'
    )

    assert run(tmp_path, "verify", "shop", *HEADERS, stdin=BODY).code == 0


def test_a_source_brings_its_own_options(tmp_path: Path) -> None:
    """TikTok Shop signs its app's key with the body."""
    secret_file(tmp_path)
    (tmp_path / "hookkeeper.toml").write_text(
        '[sources.shop]\nprovider = "tiktok_shop"\nsecrets = ["file:secret"]\n'
        'options = { app_key = "app-1" }\n'
    )
    signed = hmac.new(SECRET.encode(), b"app-1" + BODY, "sha256").hexdigest()
    header = ("--header", f"Authorization: {signed}")

    assert run(tmp_path, "verify", "shop", *header, stdin=BODY).code == 0
    assert run(tmp_path, "verify", "shop", *header, stdin=BODY + b" ").code == 1


def test_of_a_scheme_of_ones_own_no_page_is_named(tmp_path: Path) -> None:
    secret_file(tmp_path)
    (tmp_path / "hookkeeper.toml").write_text(
        '[sources.acme]\nsecrets = ["file:secret"]\n'
        'scheme = { family = "hmac", header = "X-Sig" }\n'
    )

    done = run(tmp_path, "verify", "acme", stdin=BODY)

    assert done.code == 1
    assert "signs:" not in done.out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("verify", "githib"), '"github"'),
        (("verify",), "--jsonl"),
        (("verify", "github", "--secret", SECRET), "env:NAME"),
        (("verify", "github", "--secret", "env:NOT_SET"), "NOT_SET"),
        (("verify", "github", "--header", "no colon"), "Name: value"),
        (("verify", "github", "--body", "missing"), "missing"),
    ],
)
def test_wrong_use_says_what_is_right(
    tmp_path: Path, arguments: tuple[str, ...], hint: str
) -> None:
    done = run(tmp_path, *arguments)

    assert done.code == 2
    assert hint in done.err
    assert SECRET not in done.err
    assert "Traceback" not in done.err


def test_lines_are_judged_in_order_and_a_bad_one_stops_nothing(tmp_path: Path) -> None:
    tampered = {**LINE, "id": "tampered", "body": "Hello, World?"}
    unknown = {**LINE, "id": "unknown", "provider": "nobody"}
    good = json.dumps(LINE).encode()
    lines = [
        good,
        b"not json",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(tampered).encode(),
        json.dumps(unknown).encode(),
        good,
    ]

    done = run(tmp_path, "verify", "--jsonl", stdin=b"\n".join(lines))

    assert done.code == 0
    assert [line["valid"] for line in done.lines] == [True, *[False] * 6, True]
    assert done.lines[0] == {
        "id": "github-001",
        "valid": True,
        "reason": None,
        "event_type": "ping",
        "event_id": None,
    }
    assert done.lines[5]["reason"] == "bad_signature"
    assert done.lines[6]["reason"] == "unknown_provider"


def test_a_line_is_answered_before_the_next_one_is_sent(tmp_path: Path) -> None:
    process = subprocess.Popen(
        argv("verify", "--jsonl"),
        cwd=tmp_path,
        env=environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(json.dumps(LINE).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["valid"] is True
        process.stdin.close()
    assert process.returncode == 0
