"""The shape of a log line, and the two nets below it: no secret, no forged line."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from ingest import logs


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """Logging is the process's own: put back what the other tests expect."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Output(io.BytesIO):
    """Where a process under test writes to."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def line(self) -> dict[str, Any]:
        (line,) = self.lines()
        return line


@pytest.fixture
def output() -> Output:
    output = Output()
    logs.configure("info", "json", output)
    return output


def test_a_line_is_one_json_object_with_time_level_and_origin(output: Output) -> None:
    structlog.get_logger("ingest.receive").info("event.accepted", event_id="e1", bytes=7)
    line = output.line()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "event.accepted",
        "level": "info",
        "logger": "ingest.receive",
        "event_id": "e1",
        "bytes": 7,
    }


@pytest.mark.parametrize("name", ["uvicorn.error", "dramatiq.worker", "alembic.runtime", "any"])
def test_libraries_write_the_same_lines(output: Output, name: str) -> None:
    logging.getLogger(name).warning("took %d ms", 12)
    line = output.line()
    assert (line["event"], line["level"], line["logger"]) == ("took 12 ms", "warning", name)


def test_uvicorn_writes_no_line_a_request_beside_ours(output: Output) -> None:
    access = logging.getLogger("uvicorn.access")
    access.info("GET / 200")
    assert output.lines() == []
    assert not access.propagate, "uvicorn formats the line for whoever might hear it"


def test_lines_below_the_level_are_not_written() -> None:
    output = Output()
    logs.configure("WARNING", "json", output)
    structlog.get_logger("x").info("quiet")
    logging.getLogger("x").info("quiet")
    structlog.get_logger("x").warning("loud")
    assert output.line()["event"] == "loud"


def test_an_unknown_level_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="debug, info, warning or error"):
        logs.configure("loud", "json", Output())


@pytest.mark.parametrize(
    "key",
    ["secret", "Authorization", "x-api-key", "github_secret", "access_token", "body", "Cookie"],
)
def test_a_value_whose_key_names_a_secret_is_masked_at_any_depth(output: Output, key: str) -> None:
    structlog.get_logger("x").info(
        "careless", **{key: "canary"}, nested={key: "canary"}, listed=[{key: b"canary"}]
    )
    assert b"canary" not in output.getvalue()
    assert output.line()["nested"][key] == "[redacted]"


@pytest.mark.parametrize("key", ["secret_name", "dedupe_key", "bytes", "reason", "event_id"])
def test_harmless_keys_are_not_masked(output: Output, key: str) -> None:
    structlog.get_logger("x").info("fine", **{key: "shown"})
    assert output.line()[key] == "shown"


def test_a_password_in_a_url_is_masked(output: Output) -> None:
    url = "postgresql://hook:canary@db.example/hooks"
    structlog.get_logger("x").info("connecting", url=url)
    logging.getLogger("x").info("cannot reach %s", url)
    assert b"canary" not in output.getvalue()
    assert output.lines()[0]["url"] == "postgresql://[redacted]@db.example/hooks"


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "bad", ["\n", "\r", "\x1b[31m", "\x00", "\x7f", "\x9b2J", "\u2028", "\u202e", "\ud800"]
)
def test_no_value_can_break_a_line_or_drive_a_terminal(log_format: Any, bad: str) -> None:
    output = Output()
    logs.configure("info", log_format, output)
    value = f"before{bad}after"
    structlog.get_logger("x").info("said", value=value, nested=[{"k": value}])
    logging.getLogger("x").info("said %s", value)
    text = output.getvalue().decode()
    assert text.count("\n") == 2
    assert bad[0] not in text.replace("\n", "")
    assert text.count("before\\") + text.count("before\\\\") >= 2


def test_a_traceback_is_part_of_its_line(output: Output) -> None:
    try:
        int("boom\n{forged}")
    except ValueError:
        structlog.get_logger("x").exception("failed", event_id="e1")
    line = output.line()
    assert "ValueError: invalid literal" in line["exception"]
    assert all(part.startswith("    ") for part in line["exception"].split("\n")[1:])


def test_a_value_that_is_no_json_is_shown_as_text(output: Output) -> None:
    structlog.get_logger("x").info("odd", value=object(), raw=b"\xff", big=2**70, keys={1: "one"})
    line = output.line()
    assert line["value"].startswith("<object object")
    assert line["big"] == str(2**70)
    assert line["keys"] == {"1": "one"}


def test_context_is_on_every_line(output: Output) -> None:
    with structlog.contextvars.bound_contextvars(trace_id="t1"):
        structlog.get_logger("x").info("ours")
        logging.getLogger("y").info("theirs")
    assert [line["trace_id"] for line in output.lines()] == ["t1", "t1"]


def test_what_is_said_of_a_piece_of_work_is_on_its_lines_and_on_no_other(output: Output) -> None:
    with logs.context(delivery_id="d1", destination="billing"):
        structlog.get_logger("x").info("ours")
        with logs.context(destination="audit"):
            logging.getLogger("y").info("theirs")
        structlog.get_logger("x").info("own word", delivery_id="d2")
    structlog.get_logger("x").info("after")
    found = [(line.get("delivery_id"), line.get("destination")) for line in output.lines()]
    assert found == [("d1", "billing"), ("d1", "audit"), ("d2", "billing"), (None, None)]


def test_a_reader_that_went_away_fails_nothing() -> None:
    tried: list[bytes] = []

    class Gone(io.BytesIO):
        def write(self, data: Any) -> int:
            tried.append(bytes(data))
            raise BrokenPipeError

    logs.configure("info", "json", Gone())
    structlog.get_logger("x").info("unheard")
    logging.getLogger("x").info("unheard")

    assert len(tried) == 2


def test_a_library_that_logs_badly_is_not_failed(output: Output) -> None:
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "%d", ("no number",), None)
    (handler,) = [one for one in logging.getLogger().handlers if isinstance(one, logs._LineHandler)]
    handler.handle(record)
    assert output.line()["event"] == "%d (its arguments do not fit)"


def test_configuring_twice_writes_each_line_once(output: Output) -> None:
    logs.configure("info", "json", output)
    logging.getLogger("x").info("once")
    assert len(output.lines()) == 1


class Turns:
    """An event loop of which a test ends the turns."""

    def __init__(self) -> None:
        self.planned: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.planned.append(callback)

    def end(self) -> None:
        planned, self.planned = self.planned, []
        for callback in planned:
            callback()


class Writes(io.BytesIO):
    """Remembers each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.each: list[bytes] = []

    def write(self, data: Any) -> int:
        self.each.append(bytes(data))
        return len(data)


def test_lines_of_one_turn_are_one_write_in_their_order() -> None:
    writes, turns = Writes(), Turns()
    logs.configure("info", "json", writes).gather(turns.call_soon)
    structlog.get_logger("x").info("first")
    logging.getLogger("y").info("second")
    structlog.get_logger("x").info("third")
    assert writes.each == []
    turns.end()
    (write,) = writes.each
    assert [json.loads(line)["event"] for line in write.splitlines()] == [
        "first", "second", "third",
    ]  # fmt: skip
    assert write.endswith(b"}\n")
    structlog.get_logger("x").info("fourth")
    turns.end()
    turns.end()
    assert len(writes.each) == 2


def test_other_threads_write_at_once() -> None:
    """They have no turns, and what they say may be the last thing they do."""
    writes, turns = Writes(), Turns()
    logs.configure("info", "json", writes).gather(turns.call_soon)
    structlog.get_logger("x").info("of the loop")
    thread = threading.Thread(target=structlog.get_logger("x").info, args=["of a thread"])
    thread.start()
    thread.join()
    assert [json.loads(write)["event"] for write in writes.each] == ["of a thread"]
    turns.end()
    assert [json.loads(write)["event"] for write in writes.each] == ["of a thread", "of the loop"]


def test_the_end_of_gathering_writes_what_was_gathered_and_then_each_line_at_once() -> None:
    writes, turns = Writes(), Turns()
    lines = logs.configure("info", "json", writes)
    lines.gather(turns.call_soon)
    structlog.get_logger("x").info("gathered")
    lines.gather(None)
    structlog.get_logger("x").info("at once")
    assert [json.loads(write)["event"] for write in writes.each] == ["gathered", "at once"]
    turns.end()
    assert len(writes.each) == 2


def test_lines_that_belong_together_are_one_write() -> None:
    writes = Writes()
    logs.configure("info", "json", writes)
    with logs.together():
        for number in range(3):
            structlog.get_logger("x").info("line", number=number)
        assert writes.each == []
    (write,) = writes.each
    assert [json.loads(line)["number"] for line in write.splitlines()] == [0, 1, 2]


def test_what_was_said_before_a_failure_is_written() -> None:
    writes = Writes()
    logs.configure("info", "json", writes)

    def fail() -> None:
        with logs.together():
            structlog.get_logger("x").info("said")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    structlog.get_logger("x").info("afterwards")
    assert [json.loads(write)["event"] for write in writes.each] == ["said", "afterwards"]


def test_other_threads_do_not_wait_for_lines_that_belong_together() -> None:
    writes = Writes()
    logs.configure("info", "json", writes)
    with logs.together():
        structlog.get_logger("x").info("held")
        thread = threading.Thread(target=structlog.get_logger("x").info, args=["of a thread"])
        thread.start()
        thread.join()
        assert [json.loads(write)["event"] for write in writes.each] == ["of a thread"]
