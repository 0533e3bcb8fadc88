"""The token: made once, for its owner only, and never a weak one."""

import stat
from pathlib import Path

import pytest

from ingest.console.token import SHORTEST, Token
from ingest.errors import ConfigError


def shows(token: Token, text: str) -> bool:
    return token.is_shown_by(f"Bearer {text}".encode())


def test_the_first_start_makes_a_token_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "data" / "console.token"

    token = Token(f"file:{path}", {})

    made = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.startswith("hookkeeper_")
    assert len(made) >= 50
    assert shows(token, made)


def test_no_two_are_alike_and_a_later_start_keeps_what_is_there(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one", "other")]
    for path in paths:
        Token(f"file:{path}", {})
    first, other = (path.read_text() for path in paths)
    assert first != other

    assert shows(Token(f"file:{paths[0]}", {}), first.strip())
    assert paths[0].read_text() == first


def test_a_token_may_come_from_the_environment(tmp_path: Path) -> None:
    chosen = "x" * SHORTEST

    assert shows(Token("env:MY_TOKEN", {"MY_TOKEN": chosen}), chosen)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "told"),
    [({}, "MY_TOKEN is not set"), ({"MY_TOKEN": "x" * (SHORTEST - 1)}, "at least 20 characters")],
)
def test_a_missing_or_short_token_is_refused(environ: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refusal:
        Token("env:MY_TOKEN", environ)
    assert "xxx" not in str(refusal.value)


def test_a_token_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="HOOKKEEPER_CONSOLE_TOKEN"):
        Token(f"file:{tmp_path / 'file' / 'console.token'}", {})


def test_what_shows_of_it_is_nothing(tmp_path: Path) -> None:
    token = Token(f"file:{tmp_path / 'token'}", {})

    assert (tmp_path / "token").read_text().strip() not in f"{token!r} {token}"


def test_a_file_that_goes_away_locks_nobody_out(tmp_path: Path) -> None:
    token = Token(f"file:{tmp_path / 'token'}", {})
    made = (tmp_path / "token").read_text().strip()
    (tmp_path / "token").unlink()

    with pytest.raises(ConfigError):
        token.refresh()

    assert shows(token, made)
    assert not (tmp_path / "token").exists()
