"""Secrets are named in hookkeeper.toml, never written there, and never shown."""

import base64

import pytest

from tests.unit.config.conftest import Folder


def source(*secrets: str) -> str:
    return f'[sources.github]\nprovider = "github"\nsecrets = [{", ".join(secrets)}]\n'


def test_a_missing_variable_is_named(folder: Folder) -> None:
    message = folder.refused(source('"env:GITHUB_WEBHOOK_SECRET"'))
    assert message == (
        f"{folder.file}: [sources.github] secrets: environment variable GITHUB_WEBHOOK_SECRET is "
        'not set; export it, or keep the secret in a file and write "file:PATH"'
    )


def test_a_missing_file_is_named_with_its_whole_path(folder: Folder) -> None:
    message = folder.refused(source('"file:secrets/github"'))
    assert (
        f"file {folder.path}/secrets/github cannot be read (no such file or directory)" in message
    )


@pytest.mark.parametrize("value", ["", " ", "\n", "\r\n"])
def test_an_empty_secret_is_refused(folder: Folder, value: str) -> None:
    """Anyone can sign with an empty key."""
    folder.secret("empty", value)
    folder.environ["EMPTY"] = value
    assert "is empty" in folder.refused(source('"file:empty"'))
    assert "is empty" in folder.refused(source('"env:EMPTY"'))


@pytest.mark.parametrize("literal", ["hunter2", "ENV:SECRET", "https://hunter2", "hunter2:x", ""])
def test_a_literal_secret_is_refused_and_not_repeated(folder: Folder, literal: str) -> None:
    message = folder.refused(source(f'"{literal}"'))
    assert "got a literal; move the secret out of this file" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "text",
    [
        source("12345678"),
        source('["12345678"]'),
        source("{ value = 12345678 }"),
        source('{ secret = "12345678" }'),
        '[sources.github]\nprovider = "github"\nsecrets = "12345678"',
        '[destinations.a]\nurl = "https://example.com"\nsecret = 12345678',
        '[destinations.a]\nurl = "https://example.com"\nsecret = "12345678"',
        '[destinations.a]\nurl = "https://example.com"\nheaders = { Cookie = 12345678 }',
        '[destinations.a]\nurl = "https://example.com"\nheaders = { Cookie = "12345678" }',
        '[destinations.a]\nurl = "https://me:12345678@example.com"',
    ],
)
def test_whatever_is_wrong_around_a_pasted_secret_it_is_not_repeated(
    folder: Folder, text: str
) -> None:
    """Messages end up in logs and bug reports."""
    assert "12345678" not in folder.refused(text)


def test_the_last_newline_of_a_file_is_not_part_of_the_secret(folder: Folder) -> None:
    for written in ("s p ace ", "s p ace \n", "s p ace \r\n"):
        folder.secret("github", written)
        secret = folder.load(source('"file:github"')).sources["github"].secrets[0]
        assert secret.value == b"s p ace "


def test_a_relative_file_is_looked_for_beside_the_configuration(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.secret("github", "beside")
    monkeypatch.chdir("/")
    config = folder.load(source('"file:github"'))
    assert config.sources["github"].secrets[0].value == b"beside"
    assert config.secret_files == (folder.path / "github",)


def test_an_absolute_file_is_taken_as_it_is(folder: Folder) -> None:
    path = folder.secret("github", "absolute")
    config = folder.load(source(f'"file:{path}"'))
    assert config.sources["github"].secrets[0].value == b"absolute"


def test_a_source_without_secrets_says_what_to_write(folder: Folder) -> None:
    message = folder.refused('[sources.github]\nprovider = "github"')
    assert 'secrets: is missing; what the sender signs with: ["env:NAME"] or' in message


def test_secrets_beside_a_provider_that_checks_none_are_refused(folder: Folder) -> None:
    """Whoever wrote them believes that they protect something."""
    message = folder.refused('[sources.a]\nprovider = "none"\nsecrets = ["env:SECRET"]')
    assert 'provider "none" proves nothing with them' in message


@pytest.mark.parametrize(
    "expires", ['"2026-12-01"', '"soon"', "2026-12-01", "2026-12-01T00:00:00", "1796083200"]
)
def test_an_expiry_needs_an_offset_to_be_a_point_in_time(folder: Folder, expires: str) -> None:
    message = folder.refused(source(f'{{ value = "env:SECRET", expires = {expires} }}'))
    assert 'expires: expected a date, a time and an offset such as "2026-12' in message


def test_a_secret_table_is_as_strict_as_every_table(folder: Folder) -> None:
    message = folder.refused(source('"env:SECRET"', '{ vale = "env:SECRET" }'))
    assert '[sources.github.secrets #2] vale: unknown key; did you mean "value"?' in message
    assert "[sources.github.secrets #2] value: is missing" in message


def test_a_secret_in_the_wrong_encoding_is_found_at_the_start(folder: Folder) -> None:
    """Otherwise every request would be refused, and the sender blamed."""
    folder.environ["SECRET"] = "whsec_***"
    message = folder.refused(
        '[sources.a]\nprovider = "standardwebhooks"\nsecrets = ["env:SECRET"]\n'
        '[destinations.b]\nurl = "https://example.com"\nsecret = "env:SECRET"'
    )
    assert "[sources.a] secrets: env:SECRET is not whsec" in message
    assert "[destinations.b] secret: env:SECRET begins with whsec_" in message
    assert "***" not in message


def test_a_public_key_of_standard_webhooks_is_a_secret_that_works(folder: Folder) -> None:
    folder.secret("public", "whpk_" + base64.b64encode(bytes(32)).decode())

    config = folder.load('[sources.s]\nprovider = "standardwebhooks"\nsecrets = ["file:public"]')

    assert config.sources["s"].secrets[0].name == "file:public"


def test_a_basic_secret_without_a_password_is_refused(folder: Folder) -> None:
    folder.secret("user", "only-a-user")

    message = folder.refused(
        '[sources.s]\nsecrets = ["file:user"]\n[sources.s.scheme]\nfamily = "basic"\n'
    )

    assert "file:user is not user:password" in message
