"""Destinations that are people: mail, Slack, apprise, their templates, and alerts."""

import sys

import pytest

from ingest.config.check import check
from ingest.config.model import Alerts, Config
from ingest.events import DestinationKind, Event
from ingest.routing import match
from tests.unit.config.conftest import Folder

#: apprise loads a module of Python's that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MAIL = (
    '[destinations.oncall]\nkind = "email"\nurl = "smtp://mail.example.com"\n'
    'from = "Hookkeeper <hooks@example.com>"\nto = ["ops@example.com"]\n'
)
SLACK = '[destinations.chat]\nkind = "slack"\nurl = "env:SLACK"\n'
APPRISE = '[destinations.phone]\nkind = "apprise"\nurl = "env:PHONE"\n'


@pytest.fixture
def folder(folder: Folder) -> Folder:
    folder.environ["SLACK"] = "https://hooks.slack.com/services/T/B/hunter2"
    folder.environ["PHONE"] = "json://example.com/hunter2"
    return folder


def without(text: str, key: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith(f"{key} ="))


def test_a_mail_destination_is_read_whole(folder: Folder) -> None:
    text = MAIL + 'user = "me"\npassword = "env:SECRET"\ndigest = "15m"\ntimeout = "20s"\n'

    oncall = folder.load(text).destinations["oncall"]

    assert (oncall.kind, oncall.queue) == (DestinationKind.EMAIL, "notify")
    assert (oncall.digest_ms, oncall.timeout_seconds, oncall.concurrency) == (900_000, 20, 1)
    assert oncall.mail is not None
    assert oncall.message is not None
    assert (oncall.mail.host, oncall.mail.port, oncall.mail.tls) == (
        "mail.example.com",
        587,
        "starttls",
    )
    assert oncall.mail.recipients == ("ops@example.com",)
    assert oncall.mail.password is not None
    assert oncall.mail.password.value == b"correct horse"
    assert "correct horse" not in repr(oncall)


@pytest.mark.parametrize(
    ("url", "more", "port", "tls"),
    [
        ("smtp://m.example.com:25", "starttls = false", 25, "none"),
        ("smtps://m.example.com", "", 465, "implicit"),
        ("smtps://m.example.com:1465", "", 1465, "implicit"),
    ],
)
def test_how_a_mail_server_is_reached(
    folder: Folder, url: str, more: str, port: int, tls: str
) -> None:
    mail = (
        folder.load(MAIL.replace("smtp://mail.example.com", url) + more).destinations["oncall"].mail
    )

    assert mail is not None
    assert (mail.port, mail.tls) == (port, tls)


def test_the_urls_of_chats_are_secrets(folder: Folder) -> None:
    config = folder.load(SLACK + APPRISE)

    assert config.destinations["chat"].url.endswith("hunter2")
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            MAIL.replace('"email"', '"mail"'),
            "kind: there is no kind 'mail'; did you mean \"email\"?",
        ),
        (MAIL.replace('"email"', '"webhook"'), "kind: there is no kind 'webhook'; write \"http\""),
        (MAIL.replace('"email"', '"python"'), "a Python handler is not written here"),
        (MAIL + "form = 1", '[destinations.oncall] form: unknown key; did you mean "from"?'),
        (without(MAIL, "url"), "url: is missing; the mail server"),
        (without(MAIL, "from"), 'from: is missing, such as "Hookkeeper <hooks@example.com>"'),
        (without(MAIL, "to"), 'to: is missing, such as ["oncall@example.com"]'),
        (MAIL.replace("smtp://", "http://"), "url: expected a mail server such as"),
        (
            MAIL.replace("smtp://", "smtp://me:hunter2@"),
            'carries a password; write user and password = "env',
        ),
        (MAIL.replace("mail.example.com", "mail.example.com:0"), "url: expected a mail server"),
        (MAIL.replace("mail.example.com", "mail.example.com:x"), "url: Port could not be cast"),
        (MAIL.replace("ops@", "ops "), "to: 'ops example.com' is no address"),
        (MAIL.replace("ops@example.com", "ops@example.com, x@y.z"), "is no address; write one"),
        (MAIL.replace("ops@", "o\\r\\nBcc: x@"), "is no address"),
        (MAIL.replace("ops@", "ö@"), "is no address"),
        (MAIL.replace("<hooks@", "<"), "from: 'Hookkeeper <example.com>' is no address"),
        (MAIL + 'user = "me"', "password: is missing: user and password belong together"),
        (MAIL + 'password = "env:SECRET"', "user: is missing: user and password belong"),
        (MAIL + 'user = "me"\npassword = "hunter2"', "password: expected"),
        (MAIL + 'user = "me"\npassword = 12345678', "password: expected text in quotes"),
        (
            MAIL + 'user = "me"\npassword = "env:SECRET"\nstarttls = false',
            "starttls: without it the password would cross the network in the clear",
        ),
        (
            MAIL.replace("smtp:", "smtps:") + "starttls = true",
            "encrypted from the start; remove it",
        ),
        (MAIL + 'secret = "env:SECRET"', 'secret: kind "email" has no such key; only "http"'),
        (
            MAIL + 'allow = ["10.0.0.0/8"]',
            'allow: kind "email" has no such key; only "http", "slack"',
        ),
        (SLACK + 'to = ["x@example.com"]', 'to: kind "slack" has no such key; only "email"'),
        (SLACK + 'from = "x@example.com"', 'from: kind "slack" has no such key; only "email"'),
        (
            '[destinations.a]\nurl = "https://x.org"\ntext = "x"',
            'text: kind "http" has no such key',
        ),
        (SLACK.replace("env:SLACK", "https://hooks.slack.com/hunter2"), "url: expected"),
        (SLACK.replace("env:SLACK", "env:NONE"), "environment variable NONE is not set"),
        (without(SLACK, "url"), "url: is missing; the webhook that Slack shows"),
        (SLACK.replace("env:SLACK", "env:SECRET"), 'url: expected a URL such as "https'),
        (without(APPRISE, "url"), "url: is missing; an apprise URL by reference"),
        (APPRISE.replace("env:PHONE", "env:SECRET"), "url: is no URL that apprise knows"),
        (MAIL + 'digest = "1s"', 'digest: expected from "10s" to "7d", such as "15m"'),
        (
            MAIL + 'digest = "15m"\nconcurrency = 5',
            "concurrency: a digest is one message at a time",
        ),
        (
            MAIL + 'subject = "{{ evnt }}"',
            "[destinations.oncall] subject: line 1: there is no 'evnt'",
        ),
        (MAIL + 'text = ""', "text: is empty; leave it out for the default"),
        (MAIL + 'html = "file:no.html"', "html: file"),
        (MAIL + "text = '''\na\n{% if %}'''", "text: line 2: Expected an expression"),
        (SLACK + 'text = "{{ event.id | safe }}"', "text: line 1: there is no filter 'safe'"),
        (
            '[sources.hookkeeper]\nprovider = "none"',
            "[sources.hookkeeper]: is built in, for alerts",
        ),
        (
            '[alerts]\nto = ["oncal"]\n' + MAIL,
            "[alerts] to: there is no destination 'oncal'; did you mean",
        ),
        ('[alerts]\ncooldwon = "1h"', '[alerts] cooldwon: unknown key; did you mean "cooldown"?'),
        ('[alerts]\nbacklog = "8d"', 'backlog: expected from "1s" to "7d"'),
        ("[alerts]\ndead_letters = 0", "dead_letters: expected greater than"),
    ],
)
def test_a_mistake_names_key_and_reason_and_never_the_secret(
    folder: Folder, text: str, expected: str
) -> None:
    message = folder.refused(text)

    assert expected in message
    assert "12345678" not in message
    assert "hunter2" not in message.replace('"hunter2"', "") or "got a literal" in message


def test_without_the_extra_its_kind_says_what_to_install(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no installation without it here: Python is told that it is not there."""
    monkeypatch.setattr("ingest.config.apprise.find_spec", lambda _name: None)

    assert 'pip install "hookkeeper[apprise]"' in folder.refused(APPRISE)
    assert folder.load(SLACK + MAIL)
    assert "apprise" not in sys.modules or folder.load(MAIL)


def test_a_template_can_be_a_file_and_need_not_be_private(folder: Folder) -> None:
    folder.secret("mail.txt", "{{ event.type }}!", mode=0o644)

    config = folder.load(MAIL + 'text = "file:mail.txt"')

    assert config.secret_files == ()
    message = config.destinations["oncall"].message
    assert message is not None
    assert message.html is None
    assert message.write("oncall", [event("github")], 1).text == "push!"


# -- alerts ---------------------------------------------------------------------------------


def event(source: str) -> Event:
    type_ = "alert.backlog" if source == "hookkeeper" else "push"
    return Event(*("id", source, type_, None, 0, (), "", ""), body=b"{}", trace_id="t")


def told(config: Config, source: str) -> list[str]:
    return [target.destination for target in match(config, {}, event(source))]


ROUTE = '[[routes]]\nsource = "{}"\nto = ["chat"]\n'


def test_alerts_are_off_until_somebody_asks(folder: Folder) -> None:
    assert folder.load(SLACK).alerts is None
    assert folder.load("[alerts]").alerts == Alerts()
    assert folder.load(SLACK + ROUTE.format("hookkeeper")).alerts == Alerts()


def test_alerts_go_where_they_are_asked_for_and_not_to_everything(folder: Folder) -> None:
    """A route for every source was written for webhooks."""
    everything = folder.load(SLACK + ROUTE.format("*"))
    asked = folder.load('[alerts]\nto = ["chat"]\n' + SLACK)

    assert (told(everything, "hookkeeper"), told(everything, "github")) == ([], ["chat"])
    assert (told(asked, "hookkeeper"), told(asked, "github")) == (["chat"], [])
    assert check(asked, {}, 0) == []


def test_thresholds_are_read(folder: Folder) -> None:
    text = (
        '[alerts]\ncooldown = "2h"\nwindow = "1m"\ndead_letters = 5\nfailing = "3m"\n'
        'bad_signatures = 7\nbacklog = "4m"\n'
    )

    assert folder.load(text).alerts == Alerts(
        cooldown_ms=7_200_000,
        window_ms=60_000,
        dead_letters=5,
        failing_ms=180_000,
        bad_signatures=7,
        backlog_ms=240_000,
    )
