"""Credentials become digests; the key that makes them comes to be once and stays secret."""

import hashlib
import hmac
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.credentials import CredentialKey, load_key
from ingest.errors import ConfigError

KEY = CredentialKey(bytes(32))


def digest(value: bytes) -> str:
    return "hmac-sha256:" + hmac.new(bytes(32), value, hashlib.sha256).hexdigest()


def test_only_the_named_headers_are_replaced_and_all_keep_their_place() -> None:
    headers = (("x-token", "t1"), ("accept", "*/*"), ("x-token", "t2"))
    assert KEY.conceal_headers(headers, {"x-token"}) == (
        ("x-token", digest(b"t1")),
        ("accept", "*/*"),
        ("x-token", digest(b"t2")),
    )


def test_headers_without_credentials_are_returned_as_they_are() -> None:
    headers = (("accept", "*/*"),)
    assert KEY.conceal_headers(headers, {"authorization"}) is headers


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("Bearer abc", f"Bearer {digest(b'abc')}"),
        ("basic dXNlcjpwYXNz", f"basic {digest(b'dXNlcjpwYXNz')}"),
        ("correct horse battery", digest(b"correct horse battery")),
        ("just-a-token", digest(b"just-a-token")),
        ("caf\xe9", digest(b"caf\xe9")),
    ],
)
def test_an_authorization_keeps_a_known_scheme_word_and_nothing_else(value: str, kept: str) -> None:
    """In a value of no known scheme the first word may be half of the secret."""
    ((_, concealed),) = KEY.conceal_headers((("authorization", value),), {"authorization"})
    assert concealed == kept


def test_only_the_named_parameters_of_a_query_are_replaced() -> None:
    query = "a=%20x&token=s%2Bt&token=two&flag&b="
    concealed = KEY.conceal_query(query, {"token"})
    assert concealed == f"a=%20x&token={digest(b's+t')}&token={digest(b'two')}&flag&b="


def test_a_parameter_cannot_hide_behind_percent_encoding() -> None:
    assert "secret" not in KEY.conceal_query("%74oken=secret", {"token"})
    assert "secret" not in KEY.conceal_query("t%C3%B6ken=secret", {"t\xf6ken"})


def test_the_same_value_has_the_same_digest_under_one_key_only(tmp_path: Path) -> None:
    one, two = load_key(tmp_path / "one"), load_key(tmp_path / "two")
    assert one.digest("v") == load_key(tmp_path / "one").digest("v")
    assert one.digest("v") != two.digest("v")


def test_a_new_key_is_for_its_owner_only_and_leaves_no_draft(tmp_path: Path) -> None:
    load_key(tmp_path / "data" / "key")
    assert stat.S_IMODE((tmp_path / "data" / "key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["key"]


def test_many_first_starts_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(load_key, [tmp_path / "key"] * 64))
    assert len({key.digest("v") for key in keys}) == 1


def test_a_damaged_key_refuses_to_start_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="holds 5 bytes"):
        load_key(path)
    assert path.read_bytes() == b"short"


def test_a_key_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="HOOKKEEPER_KEY_FILE"):
        load_key(tmp_path / "file" / "key")


def test_the_key_does_not_show() -> None:
    assert repr(KEY) == "CredentialKey(...)"
