"""The mail server and the addresses of [destinations.<name>] with kind = "email" -> Mail."""

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.policy import SMTP
from typing import Literal
from urllib.parse import urlsplit

from ingest.config.mistakes import Mistakes
from ingest.config.model import Mail
from ingest.config.references import References
from ingest.config.schema import DestinationTable
from ingest.verify.request import Secret

_EXAMPLE = '"smtp://mail.example.com:587", or smtps://'
_PORTS = {"smtp": 587, "smtps": 465}
_MOST_RECIPIENTS = 50  # more are a mailing list, which has an address of its own


def read_mail(
    read: DestinationTable, table: str, references: References, mistakes: Mistakes
) -> Mail:
    """Where mail is handed in, and from whom to whom; mistakes are noted."""
    host, port, tls = _server(read, table, mistakes)
    return Mail(
        host=host,
        port=port,
        tls=tls,
        sender=_sender(read, table, mistakes),
        recipients=_recipients(read, table, mistakes),
        user=read.user,
        password=_password(read, tls, table, references, mistakes),
    )


Tls = Literal["implicit", "starttls", "none"]


def _server(read: DestinationTable, table: str, mistakes: Mistakes) -> tuple[str, int, Tls]:
    nothing: tuple[str, int, Tls] = ("", 0, "starttls")
    if read.url is None:
        mistakes.add_missing(table, "url", f"is missing; the mail server, such as {_EXAMPLE}")
        return nothing
    try:
        parts = urlsplit(read.url)
        port = parts.port
    except ValueError as error:
        mistakes.add(table, "url", str(error))
        return nothing
    whole = parts.scheme in _PORTS and parts.hostname and port != 0 and read.url.isascii()
    if parts.username or parts.password:
        mistakes.add(table, "url", 'carries a password; write user and password = "env:NAME"')
    elif not whole or parts.path.strip("/") or parts.query or " " in read.url:
        mistakes.add(table, "url", f"expected a mail server such as {_EXAMPLE}")
    elif parts.scheme == "smtps" and read.starttls is not None:
        mistakes.add(table, "starttls", "smtps:// is encrypted from the start; remove it")
    if parts.scheme == "smtps":
        return parts.hostname or "", port or _PORTS["smtps"], "implicit"
    tls: Tls = "none" if read.starttls is False else "starttls"
    return parts.hostname or "", port or _PORTS["smtp"], tls


def _password(
    read: DestinationTable, tls: Tls, table: str, references: References, mistakes: Mistakes
) -> Secret | None:
    if (read.user is None) != (read.password is None):
        missing = "user" if read.user is None else "password"
        mistakes.add_missing(table, missing, "is missing: user and password belong together")
    if read.password is None:
        return None
    if tls == "none":
        mistakes.add(
            table, "starttls", "without it the password would cross the network in the clear"
        )
    try:
        return Secret(read.password, references.read(read.password))
    except ValueError as error:
        mistakes.add(table, "password", str(error))
        return None


def _sender(read: DestinationTable, table: str, mistakes: Mistakes) -> str:
    if read.sender is None:
        mistakes.add_missing(table, "from", 'is missing, such as "Hookkeeper <hooks@example.com>"')
        return ""
    return _address(read.sender, table, "from", mistakes)


def _recipients(read: DestinationTable, table: str, mistakes: Mistakes) -> tuple[str, ...]:
    if not read.to:
        mistakes.add_missing(table, "to", 'is missing, such as ["oncall@example.com"]')
    if len(read.to) > _MOST_RECIPIENTS:
        mistakes.add(table, "to", f"more than {_MOST_RECIPIENTS}; write a mailing list's address")
    return tuple(_address(each, table, "to", mistakes) for each in read.to)


def _address(text: str, table: str, key: str, mistakes: Mistakes) -> str:
    """One address, with or without a name; what is none is noted."""
    if _is_address(text):
        return text
    mistakes.add(table, key, f"{text!r} is no address; write one such as ops@example.com")
    return ""


def _is_address(text: str) -> bool:
    if not text.isprintable():
        return False
    try:
        parsed = SMTP.header_factory("to", text)
        (address,) = parsed.addresses
        whole = Address(addr_spec=address.addr_spec)
    except (HeaderParseError, ValueError, IndexError):
        return False
    plain = address.addr_spec.isascii() and bool(whole.username) and bool(whole.domain)
    return plain and not parsed.defects
