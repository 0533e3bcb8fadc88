"""One mail: what arrives, how it is secured, and how a server's answers are judged."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from actors.attempts import message
from actors.middleware.limits import Limits
from ingest.config.model import Destination, Mail
from ingest.events import AttemptOutcome, AttemptResult, Claimed, DestinationKind
from ingest.message import Message, default_email
from ingest.templates import plain
from ingest.verify.request import Secret
from tests.actors.making import claimed
from tests.services.mail import (
    PASSWORD,
    Certificate,
    MailServer,
    Misbehaving,
    make_certificate,
    resetting,
    silent,
    tarpit,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an operator's own authority is: through OpenSSL's variable."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))


@pytest.fixture
def server(certificate: Certificate) -> Iterator[MailServer]:
    server = MailServer(certificate)
    yield server
    server.close()


@pytest.fixture
def limits() -> Iterator[Limits]:
    limits = Limits()
    limits.start()
    yield limits
    limits.stop()


def oncall(port: int, **changes: Any) -> Destination:
    mail = Mail(
        host="127.0.0.1",
        port=port,
        tls="starttls",
        sender="Hookkeeper <hooks@example.com>",
        recipients=("ops@example.com", "cto@example.com"),
    )
    mail = replace(mail, **changes)
    return Destination(
        name="oncall",
        url="",
        kind=DestinationKind.EMAIL,
        mail=mail,
        message=default_email(),
        timeout_seconds=5,
    )


def push(body: bytes = b"{}") -> Claimed:
    return replace(claimed("oncall", body=body), kind=DestinationKind.EMAIL, queue="notify")


def send(to: Destination, limits: Limits, what: Claimed | None = None) -> AttemptResult:
    return message.alone(to, what or push(), limits)


@pytest.mark.usefixtures("trusted")
def test_a_mail_arrives_as_text_and_html_over_tls(server: MailServer, limits: Limits) -> None:
    what = push()

    result = send(oncall(server.port), limits, what)

    assert (result.outcome, result.status) == (AttemptOutcome.SUCCEEDED, 250)
    mail = server.box.read()
    assert server.box.over_tls == [True]
    assert server.box.mails[0].rcpt_tos == ["ops@example.com", "cto@example.com"]
    assert mail["Subject"] == "github: push"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert what.event.id in text.get_content()
    assert html is not None
    assert "<strong>github: push</strong>" in html.get_content()


@pytest.mark.usefixtures("trusted")
def test_a_repeat_is_recognised_and_a_replay_is_another_mail(
    server: MailServer, limits: Limits
) -> None:
    """Mail programs fold mails of the same Message-ID."""
    first = push()
    for what in (first, replace(first, starts=2, attempts=1), replace(first, generation=1)):
        send(oncall(server.port), limits, what)

    ids = [server.box.read(number)["Message-ID"] for number in range(3)]
    assert ids[0] == ids[1] == f"<{first.event.id}.oncall@example.com>"
    assert ids[2] == f"<{first.event.id}.1.oncall@example.com>"
    assert server.box.read()["List-Id"] == "<oncall.hookkeeper.example.com>"
    assert server.box.read()["Auto-Submitted"] == "auto-generated"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    "title",
    [
        "x\\r\\nBcc: evil@example.com",
        "x\\u0085Bcc: evil@example.com\\u2028Bcc: evil@example.com",
        "=?utf-8?q?x=0D=0ABcc:=20evil@example.com?=",
        "=?utf-8?b?eA0KQmNjOiBldmlsQGV4YW1wbGUuY29t?=" * 5,
        "\\u0000\\u0007" + "ü" * 300,
    ],
)
def test_no_senders_words_become_a_header(server: MailServer, limits: Limits, title: str) -> None:
    subject = Message(plain("{{ event.json.title }}"), plain("x"))
    to = replace(oncall(server.port), message=subject)

    result = send(to, limits, push(b'{"title": "%s"}' % title.encode()))

    assert result.outcome is AttemptOutcome.SUCCEEDED
    content = server.box.mails[0].content
    assert isinstance(content, bytes)
    head = content.partition(b"\r\n\r\n")[0].lower()
    assert b"\nbcc" not in head
    assert b"\rbcc" not in head
    assert server.box.mails[0].rcpt_tos == ["ops@example.com", "cto@example.com"]
    assert server.box.read()["Bcc"] is None


@pytest.mark.usefixtures("trusted")
def test_a_server_that_is_encrypted_from_the_start_and_asks_for_a_password(
    certificate: Certificate, limits: Limits
) -> None:
    server = MailServer(certificate, implicit=True, login=True)
    try:
        known = {"tls": "implicit", "user": "me", "password": Secret("env:P", PASSWORD)}
        assert send(oncall(server.port, **known), limits).outcome is AttemptOutcome.SUCCEEDED
        wrong = send(oncall(server.port, **{**known, "password": Secret("env:P", b"no")}), limits)
        missing = send(oncall(server.port, tls="implicit"), limits)
    finally:
        server.close()

    # A password may be put right: the mail is kept for that.
    assert (wrong.outcome, wrong.code) == (AttemptOutcome.RETRYABLE, "smtp_535")
    assert (missing.outcome, missing.code) == (AttemptOutcome.PERMANENT, "smtp_530")
    assert len(server.box.mails) == 1


def test_nothing_is_said_to_a_server_that_nobody_vouches_for(
    server: MailServer, limits: Limits
) -> None:
    result = send(oncall(server.port), limits)

    assert (result.outcome, result.code) == (AttemptOutcome.RETRYABLE, "tls_error")
    assert "nothing was sent" in result.message
    assert server.box.mails == []


@pytest.mark.usefixtures("trusted")
def test_without_starttls_nothing_is_sent_unless_that_is_asked_for(
    certificate: Certificate, limits: Limits
) -> None:
    """Whoever is in the way could take it out of the server's offer."""
    server = MailServer(certificate, starttls=False)
    try:
        refused = send(oncall(server.port), limits)
        assert server.box.mails == []
        allowed = send(oncall(server.port, tls="none"), limits)
    finally:
        server.close()

    assert (refused.outcome, refused.code) == (AttemptOutcome.RETRYABLE, "not_offered")
    assert (allowed.outcome, server.box.over_tls) == (AttemptOutcome.SUCCEEDED, [False])


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("451 try again later", AttemptOutcome.RETRYABLE),
        ("421 going down", AttemptOutcome.RETRYABLE),
        ("554 this is spam", AttemptOutcome.PERMANENT),
    ],
)
def test_a_mail_that_is_refused_is_judged_by_the_reply(
    server: MailServer, limits: Limits, answer: str, outcome: AttemptOutcome
) -> None:
    server.box.answers["DATA"] = answer

    result = send(oncall(server.port), limits)

    assert (result.outcome, result.code) == (outcome, f"smtp_{answer[:3]}")
    assert answer in result.message


@pytest.mark.usefixtures("trusted")
def test_recipients_that_are_all_refused_for_good_end_it(
    server: MailServer, limits: Limits
) -> None:
    server.box.answers |= {"ops@example.com": "550 who?", "cto@example.com": "551 moved"}
    final = send(oncall(server.port), limits)
    server.box.answers["ops@example.com"] = "450 busy"
    later = send(oncall(server.port), limits)

    assert (final.outcome, final.code) == (AttemptOutcome.PERMANENT, "smtp_550")
    assert "cto@example.com (551 moved); ops@example.com (550 who?)" in final.message
    assert (later.outcome, later.code) == (AttemptOutcome.RETRYABLE, "smtp_450")


@pytest.mark.usefixtures("trusted")
def test_one_bad_address_keeps_the_mail_from_nobody_else(
    server: MailServer, limits: Limits
) -> None:
    server.box.answers["ops@example.com"] = "550 who?"
    done = send(oncall(server.port), limits)
    server.box.answers["ops@example.com"] = "450 greylisted"
    again = send(oncall(server.port), limits)

    assert done.outcome is AttemptOutcome.SUCCEEDED
    assert "ops@example.com (550 who?)" in done.message
    assert again.outcome is AttemptOutcome.RETRYABLE  # with the same Message-ID
    assert [mail.rcpt_tos for mail in server.box.mails] == [["cto@example.com"]] * 2


@pytest.mark.parametrize(
    ("behaviour", "outcome", "code"),
    [
        (silent, AttemptOutcome.TIMED_OUT, "timeout"),
        (tarpit, AttemptOutcome.TIMED_OUT, "timeout"),
        (resetting, AttemptOutcome.RETRYABLE, "connection_lost"),
    ],
)
def test_a_server_that_misbehaves_holds_nobody(
    behaviour: object, outcome: AttemptOutcome, code: str, limits: Limits
) -> None:
    assert callable(behaviour)
    server = Misbehaving(behaviour)
    result: list[AttemptResult] = []
    to = replace(oncall(server.port), timeout_seconds=0.5)
    thread = threading.Thread(target=lambda: result.append(send(to, limits)))
    thread.start()
    try:
        thread.join(5)
        assert not thread.is_alive()
    finally:
        server.close()
    assert (result[0].outcome, result[0].code) == (outcome, code)


def test_nobody_at_home_and_no_such_house(limits: Limits) -> None:
    closed = Misbehaving(silent)
    closed.close()

    nobody = send(oncall(closed.port), limits)
    nowhere = send(oncall(25, host="mail.invalid"), limits)

    assert (nobody.outcome, nobody.code) == (AttemptOutcome.RETRYABLE, "connection_refused")
    assert (nowhere.outcome, nowhere.code) == (AttemptOutcome.RETRYABLE, "unknown_name")
