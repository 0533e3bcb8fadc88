"""What reaches a terminal, a pipe and a program."""

import enum
import json
from dataclasses import dataclass

import pytest

from ingest.cli import output
from ingest.cli.exits import CommandFailed, Exit, explain
from ingest.errors import (
    BrokerUnavailable,
    ConfigError,
    HookkeeperError,
    NotFound,
    StoreRefused,
    StoreUnavailable,
)

EVENT_ID = "01a208b0-953e-7688-be4e-f5e7e1b44226"


class Colour(enum.StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Row:
    id: str
    body: bytes
    colour: Colour
    pairs: tuple[tuple[str, str], ...]


def test_rows_become_json_with_bytes_as_text() -> None:
    row = Row("1", b'{"a": 1}', Colour.RED, (("A", "b"),))

    assert json.loads(json.dumps(output.plain(row))) == {
        "id": "1",
        "body": '{"a": 1}',
        "colour": "red",
        "pairs": [["A", "b"]],
    }


def test_bytes_that_are_not_text_survive_json() -> None:
    assert output.plain(b"\xff\x00") == {"base64": "/wA="}


def test_control_characters_never_reach_a_terminal() -> None:
    assert output.printable("a\x1b[2Jb\r\n\u202ec") == "a\\x1b[2Jb\\r\\n\\u202ec"


def test_a_pipe_gets_tab_separated_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("id", "type"), [("1", None), ("2", "a\tb")])

    assert capsys.readouterr().out == "id\ttype\n1\t\n2\ta\\tb\n"


def test_a_narrow_terminal_keeps_ids_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that is broken in two cannot be copied."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")

    output.table(("id", "type"), [(EVENT_ID, "checkout.session.completed")])

    assert f"{EVENT_ID}  checkout.session.completed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, ["2026-11-23 14:07:10Z", "github", "check_run.requested_action", "dispatched"]),
        (100, ["github", "check_run.requested_action", "dispatched"]),
        (78, ["check_run.requested_action", "dispatched"]),
        (75, ["check_run.requested_acti…", "dispatched"]),
    ],
)
def test_a_narrow_terminal_does_without_the_least_important_columns(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    shown: list[str],
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    row = [EVENT_ID, "2026-11-23 14:07:10Z", "github", "check_run.requested_action", "dispatched"]

    output.table(
        ("id", "received", "source", "type", "state"), [row], spare=("received", "source", "type")
    )

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2, "the event is one line"
    assert len(lines[1].rstrip()) <= width
    assert lines[1].rstrip() == "  ".join([EVENT_ID, *shown])


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 handlers"), (1, "1 handler"), (2, "2 handlers")]
)
def test_one_of_a_kind_is_singular(count: int, said: str) -> None:
    assert output.counted(count, "handler") == said


def test_markup_in_data_stays_data_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")

    output.table(("type",), [("[red]push[/red]",)])

    printed = capsys.readouterr().out
    assert "[red]push[/red]" in printed
    assert "\x1b[3" not in printed


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(-5, "0s"), (0, "0s"), (59_999, "59s"), (60_000, "1m"), (7_200_000, "2h"), (9e8, "10d")],
)
def test_durations_are_shown_in_their_largest_unit(milliseconds: float, shown: str) -> None:
    assert output.ago(int(milliseconds)) == shown


def test_times_are_utc_to_the_second() -> None:
    assert output.moment(1_764_000_000_999) == "2025-11-24 16:00:00Z"
    assert output.moment(None) == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("bad key"), Exit.USAGE),
        (StoreRefused("old schema"), Exit.USAGE),
        (StoreUnavailable("no answer"), Exit.UNREACHABLE),
        (BrokerUnavailable("no answer"), Exit.UNREACHABLE),
        (NotFound("no event abc"), Exit.FAILED),
        (HookkeeperError("other"), Exit.FAILED),
        (CommandFailed("no", Exit.UNREACHABLE), Exit.UNREACHABLE),
    ],
)
def test_every_error_has_a_stable_exit_code_and_keeps_its_message(
    error: HookkeeperError, code: Exit
) -> None:
    got, text = explain(error)

    assert got is code
    assert str(error) in text
