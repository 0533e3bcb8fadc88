"""Warnings for a file that is valid and probably does not mean what it says."""

import pytest

from ingest.backoff import RetryPolicy
from ingest.config.check import check, check_names
from ingest.errors import ConfigError
from ingest.handlers import Handler
from ingest.patterns import pattern
from tests.unit.config.conftest import Folder

GITHUB = '[sources.github]\nprovider = "github"\nsecrets = ["env:SECRET"]\n'
BILLING = '[destinations.billing]\nurl = "https://example.com"\n'
ROUTE = '[[routes]]\nsource = "github"\nto = ["billing"]\n'


def handler(source: str, name: str = "handlers.deploy") -> dict[str, Handler]:
    made = Handler(name, print, (pattern(source),), RetryPolicy(), 60.0, "process", None)
    return {name: made}


def test_a_configuration_that_uses_all_it_declares_has_no_warnings(folder: Folder) -> None:
    assert check(folder.load(GITHUB + BILLING + ROUTE), {}, now=0) == []


def test_a_source_whose_events_go_nowhere_is_pointed_out(folder: Folder) -> None:
    (warning,) = check(folder.load(GITHUB), {}, now=0)
    assert warning.startswith("[sources.github] no route and no handler wants its events")


@pytest.mark.parametrize("source", ["github", "*", "git*"])
def test_a_handler_is_a_way_out_for_a_source_too(folder: Folder, source: str) -> None:
    assert check(folder.load(GITHUB), handler(source), now=0) == []


def test_a_destination_without_a_route_is_pointed_out(folder: Folder) -> None:
    (warning,) = check(folder.load(GITHUB + BILLING), handler("*"), now=0)
    assert warning == "[destinations.billing] no route leads to it"


def test_a_handler_of_a_source_that_does_not_exist_is_pointed_out(folder: Folder) -> None:
    handlers = handler("githbu") | handler("*", "handlers.all")
    (warning,) = check(folder.load(GITHUB), handlers, now=0)
    assert warning == (
        "handlers.deploy wants events of 'githbu', no source here; did you mean \"github\"?"
    )


def test_a_source_that_believes_anyone_is_pointed_out(folder: Folder) -> None:
    (warning,) = check(folder.load('[sources.a]\nprovider = "none"'), handler("*"), now=0)
    assert "anyone who can reach /in/a can post events" in warning


def test_secrets_past_their_end_are_pointed_out(folder: Folder) -> None:
    folder.environ["NEW"] = "new"
    old = '{ value = "env:SECRET", expires = "2026-01-01T00:00:00Z" }'
    now = 1_767_225_600_000  # 2026-01-01T00:00:00Z
    rotated = folder.load(GITHUB.replace('"env:SECRET"', f'"env:NEW", {old}'))
    ended = folder.load(GITHUB.replace('"env:SECRET"', old))
    assert check(rotated, handler("*"), now - 1) == []
    assert check(rotated, handler("*"), now) == [
        "[sources.github] env:SECRET expired and can be removed"
    ]
    assert check(ended, handler("*"), now) == [
        "[sources.github] every secret has expired: all its requests are refused"
    ]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True)])
def test_a_secret_file_that_others_may_read_is_pointed_out(
    folder: Folder, mode: int, *, warned: bool
) -> None:
    path = folder.secret("github", "s3cret", mode)
    config = folder.load(GITHUB.replace("env:SECRET", "file:github"))
    expected = f"{path} has mode {mode:04o}: other users may read it; chmod 600 {path}"
    assert check(config, handler("*"), now=0) == ([expected] if warned else [])


def test_a_name_belongs_to_one_destination_only(folder: Folder) -> None:
    config = folder.load(BILLING)
    check_names(config, handler("*"))
    with pytest.raises(ConfigError, match=r"rename the destination, or the handler"):
        check_names(config, handler("*", "billing"))
