"""Messages: what the defaults say, and how long anything may be."""

from dataclasses import replace

import orjson
import pytest

from ingest.event_view import OWN_SOURCE
from ingest.events import Event
from ingest.message import (
    SLACK_LENGTH,
    SUBJECT_LENGTH,
    TEXT_LENGTH,
    Message,
    default_email,
    default_slack,
    default_text,
)
from ingest.templates import plain, slack

SECRET = b'{"card": "4242424242424242"}'


def event(number: int = 1) -> Event:
    return Event(
        *(f"id-{number}", "github", "push", None, 1_700_000_000_000, (), "", "application/json"),
        body=SECRET,
        trace_id="0af7",
    )


@pytest.mark.parametrize("make", [default_email, default_slack, default_text])
def test_without_a_template_people_learn_what_came_and_never_the_payload(make: object) -> None:
    """Mail and chat are kept by others."""
    assert callable(make)
    written = make().write("oncall", [event()], 1)

    assert written.subject == "github: push"
    for text in filter(None, (written.text, written.html)):
        assert "github: push" in text
        assert "2023-11-14 22:13:20 UTC" in text
        assert "hookkeeper events show id-1" in text
        assert "4242" not in text


def test_a_digest_counts_all_and_shows_the_first() -> None:
    written = default_email().write("oncall", [event(number) for number in range(3)], 1_234)

    assert written.subject == "1234 events: github: push"
    assert written.text.startswith("1234 events for oncall")
    assert written.text.count("hookkeeper events show") == 3
    assert written.text.endswith("and 1231 more.")


def test_an_alert_speaks_for_itself() -> None:
    body = orjson.dumps({"summary": "The queue deliver is 5m behind.", "advice": "look"})

    written = default_email().write("oncall", [replace(event(), source=OWN_SOURCE, body=body)], 1)

    assert written.subject == "The queue deliver is 5m behind."
    assert "look" in written.text


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("a\r\nBcc: x", "a Bcc: x"),
        ("a\x85b\u2028c\x1fd\x00e", "a b c d\ufffde"),
        ("=?utf-8?q?x?=", "= ?utf-8?q?x?="),
        ("\x1b[31mred", "[31mred"),
        ("x" * 999, "x" * (SUBJECT_LENGTH - 3) + "..."),
    ],
)
def test_a_subject_is_one_printable_line(title: str, subject: str) -> None:
    message = Message(plain("{{ event.text }}"), plain("x"))

    assert message.write("a", [replace(event(), body=title.encode())], 1).subject == subject


def test_a_long_text_is_cut_and_says_so() -> None:
    long = "{{ 'x' * 200000 }}"

    mail = Message(plain("s"), plain(long)).write("a", [event()], 1).text
    chat = Message(plain("s"), slack(long), longest=SLACK_LENGTH).write("a", [event()], 1).text

    assert (len(mail), len(chat)) == (TEXT_LENGTH, SLACK_LENGTH)
    assert mail.endswith("The rest was cut.")


def test_no_text_holds_what_cannot_be_sent() -> None:
    message = Message(plain("s"), plain("{{ '\\ud800' }}\0"))

    assert message.write("a", [event()], 1).text == "?\ufffd"
