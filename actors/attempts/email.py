"""One mail: written as MIME, handed to the destination's server by SMTP.

A repeat has the Message-ID of the first try, which is the event's id, so mail programs fold the
two into one. Replies of 4xx are tried again and replies of 5xx to a mail are final (RFC 5321
§4.2.1); a server that refuses us as a whole, a password or a certificate may be repaired, and is
tried again. Blocks its thread, in steps that an interrupt can end.
"""

import smtplib
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from ingest.config.model import Destination, Mail
from ingest.events import AttemptOutcome, AttemptResult, Claimed
from ingest.message import Written

#: Replies from here on are final, for this mail (RFC 5321 §4.2.1).
_FINAL = 500
_REPLY_LENGTH = 200  # characters of a server's words

#: (code, reply) of each recipient that was refused.
Refused = Mapping[str, tuple[int, bytes]]


def attempt(to: Destination, claimed: Claimed, written: Written, now: int) -> AttemptResult:
    """Send one mail and judge what the server said. The caller bounds the time."""
    assert to.mail is not None, "a destination of kind email has a mail server"
    try:
        mail = compose(to, claimed, written, now)
        connection = _connect(to.mail, to.timeout_seconds)
    except (smtplib.SMTPException, OSError) as error:
        return _no_connection(error, to.mail)
    try:
        refused = connection.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        return _judge_refusals(error.recipients)
    except smtplib.SMTPResponseException as error:
        return _judge_reply(error.smtp_code, error.smtp_error)
    except (smtplib.SMTPException, OSError) as error:
        return _no_connection(error, to.mail)
    finally:
        with suppress(smtplib.SMTPException, OSError):
            connection.putcmd("quit")  # its reply changes nothing, so it is not waited for
        connection.close()
    if any(code < _FINAL for code, _ in refused.values()):
        return _judge_refusals(refused)
    said = f"Not taken for {_named(refused)}" if refused else ""
    return AttemptResult(AttemptOutcome.SUCCEEDED, "smtp_250", said, 250)


def compose(to: Destination, claimed: Claimed, written: Written, now: int) -> EmailMessage:
    """Write the mail: text, HTML where there is any, and headers that say what it belongs to."""
    assert to.mail is not None, "a destination of kind email has a mail server"
    event = claimed.event
    domain = _domain(to.mail)
    repeat = f"{event.id}.{claimed.generation}" if claimed.generation else event.id
    mail = EmailMessage(policy=SMTP)
    mail["From"] = to.mail.sender
    mail["To"] = ", ".join(to.mail.recipients)
    mail["Subject"] = written.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(now / 1_000, UTC))
    mail["Message-ID"] = f"<{repeat}.{to.name}@{domain}>"
    mail["List-Id"] = f"<{to.name}.hookkeeper.{domain}>"
    mail["X-Hookkeeper-Event"] = event.id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply comes back
    mail.set_content(written.text + "\n")
    if written.html is not None:
        mail.add_alternative(written.html, subtype="html")
    return mail


def _domain(mail: Mail) -> str:
    addresses: tuple[Address, ...] = SMTP.header_factory("from", mail.sender).addresses
    return addresses[0].domain


class _Closing(smtplib.SMTP):
    """smtplib's, which forgets its socket where a connection fails half-way."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        try:
            super().__init__(*arguments, **options)
        except BaseException:
            self.close()
            raise


class _ClosingOverTls(_Closing, smtplib.SMTP_SSL):
    """The same, encrypted from the start."""


def _connect(mail: Mail, timeout_seconds: float) -> smtplib.SMTP:
    """Connect, encrypt and log in. Nothing is said in the clear but where that is asked for."""
    context = ssl.create_default_context()
    if mail.tls == "implicit":
        connection: smtplib.SMTP = _ClosingOverTls(
            mail.host, mail.port, timeout=timeout_seconds, context=context
        )
    else:
        connection = _Closing(mail.host, mail.port, timeout=timeout_seconds)
    try:
        if mail.tls == "starttls":
            connection.starttls(context=context)
        if mail.user is not None and mail.password is not None:
            connection.login(mail.user, mail.password.value.decode("utf-8", "replace"))
    except BaseException:
        connection.close()
        raise
    return connection


def _no_connection(error: Exception, mail: Mail) -> AttemptResult:
    """Judge a server that did not come to the mail itself: all of it may be repaired."""
    where = f"{mail.host}:{mail.port}"
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return AttemptResult(AttemptOutcome.TIMED_OUT, "timeout", f"{where} did not answer.")
    if isinstance(error, smtplib.SMTPResponseException):
        said = f"{where} refused us: {_reply(error.smtp_code, error.smtp_error)}"
        return AttemptResult(
            AttemptOutcome.RETRYABLE, f"smtp_{error.smtp_code}", said, error.smtp_code
        )
    for kind, code, words in _TROUBLES:
        if isinstance(error, kind):
            message = f"{where}: {words} ({error})."
            return AttemptResult(AttemptOutcome.RETRYABLE, code, message)
    return AttemptResult(AttemptOutcome.RETRYABLE, "smtp_error", f"{where}: {error}")


_TROUBLES: tuple[tuple[type[Exception], str, str], ...] = (
    (ssl.SSLError, "tls_error", "The connection could not be secured; nothing was sent"),
    (smtplib.SMTPNotSupportedError, "not_offered", "The server lacks what is configured"),
    (smtplib.SMTPServerDisconnected, "connection_lost", "The connection broke"),
    (socket.gaierror, "unknown_name", "The name could not be resolved"),
    (ConnectionRefusedError, "connection_refused", "Nothing listens there"),
    (ConnectionError, "connection_lost", "The connection broke"),
    (OSError, "network_error", "The network failed"),
)


def _judge_reply(code: int, reply: bytes | str) -> AttemptResult:
    outcome = AttemptOutcome.PERMANENT if code >= _FINAL else AttemptOutcome.RETRYABLE
    said = f"The server refused the mail: {_reply(code, reply)}"
    return AttemptResult(outcome, f"smtp_{code}", said, code)


def _judge_refusals(refused: Refused) -> AttemptResult:
    """Judge recipients that were refused: one that may be taken later is worth a repeat for all."""
    code = min(code for code, _ in refused.values())
    outcome = AttemptOutcome.PERMANENT if code >= _FINAL else AttemptOutcome.RETRYABLE
    said = f"The server refused {_named(refused)}"
    return AttemptResult(outcome, f"smtp_{code}", said, code)


def _named(refused: Refused) -> str:
    return "; ".join(f"{address} ({_reply(*why)})" for address, why in sorted(refused.items()))


def _reply(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    visible = "".join(one if one.isprintable() else " " for one in text)
    return f"{code} {visible[:_REPLY_LENGTH]}"
