"""[destinations.<name>] -> Destination."""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from types import MappingProxyType
from urllib.parse import urlsplit

from ingest.backoff import RetryPolicy
from ingest.config.apprise import check_apprise
from ingest.config.mail import read_mail
from ingest.config.messages import read_message
from ingest.config.mistakes import Mistakes, did_you_mean
from ingest.config.model import DEFAULT_TIMEOUT_SECONDS, Destination, Network
from ingest.config.references import References
from ingest.config.schema import DestinationTable, RetryTable, read_table
from ingest.events import DestinationKind
from ingest.verify.keys import decode_key
from ingest.verify.request import Secret

#: Longer than this a request is a hang; it would also outlive a graceful shutdown.
MAX_TIMEOUT_MS = 300_000

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)  # RFC 9110 §5.6.2, token
_VALUE = re.compile(r"[\x20-\x7e\t]*", re.ASCII)
#: Set by the delivery itself: they frame the message, or prove it.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


#: Digests shorter than this are no digests; longer ones are forgotten about.
_SHORTEST_DIGEST_MS, _LONGEST_DIGEST_MS = 10_000, 7 * 86_400_000
_EVERY_KIND = frozenset({"kind", "url", "timeout", "concurrency", "retry"})
_PEOPLE = frozenset({"text", "digest"})
#: The keys of each kind besides; pydantic's own name of ``from`` is ``sender``.
_KEYS: Mapping[DestinationKind, frozenset[str]] = {
    DestinationKind.HTTP: frozenset({"secret", "allow", "headers"}),
    DestinationKind.EMAIL: _PEOPLE
    | {"user", "password", "starttls", "sender", "to", "subject", "html"},
    DestinationKind.SLACK: _PEOPLE | {"allow"},
    DestinationKind.APPRISE: _PEOPLE | {"subject"},
}


def read_destination(
    name: str, raw: object, references: References, mistakes: Mistakes
) -> Destination | None:
    """One destination; None, with its mistakes noted, where it cannot be read."""
    table = f"destinations.{name}"
    read = read_table(DestinationTable, raw, table, mistakes)
    if read is None:
        return None
    kind = _kind(read, table, mistakes)
    if kind is None:
        return None
    _check_keys(read, kind, table, mistakes)
    return Destination(
        name=name,
        kind=kind,
        url="" if kind is DestinationKind.EMAIL else _url(read, kind, table, references, mistakes),
        secret=_secret(read, table, references, mistakes),
        timeout_seconds=_timeout_seconds(read, table, mistakes),
        # A digest is one message: whoever begins it speaks for all that wait.
        concurrency=1 if read.digest else read.concurrency,
        allow=_networks(read, table, mistakes),
        headers=_headers(read, table, references, mistakes),
        retry=_retry(read.retry, table, mistakes),
        queue="deliver" if kind is DestinationKind.HTTP else "notify",
        message=read_message(read, kind, table, references, mistakes),
        mail=read_mail(read, table, references, mistakes)
        if kind is DestinationKind.EMAIL
        else None,
        digest_ms=_digest_ms(read, table, mistakes),
    )


def _kind(read: DestinationTable, table: str, mistakes: Mistakes) -> DestinationKind | None:
    kinds = [each.value for each in _KEYS]
    if read.kind in kinds:
        return DestinationKind(read.kind)
    hint = did_you_mean(read.kind, kinds)
    if read.kind == DestinationKind.PYTHON:
        hint = "a Python handler is not written here, it says what it wants with @on"
    if read.kind == "webhook":
        hint = 'write "http"'
    mistakes.add(table, "kind", f"there is no kind {read.kind!r}; {hint}")
    return None


def _check_keys(
    read: DestinationTable, kind: DestinationKind, table: str, mistakes: Mistakes
) -> None:
    """Note keys that mean nothing for this kind: whoever wrote them believes that they do."""
    for field in sorted(read.model_fields_set - _EVERY_KIND - _KEYS[kind]):
        key = DestinationTable.model_fields[field].alias or field
        having = ", ".join(f'"{each}"' for each in _KEYS if field in _KEYS[each])
        mistakes.add(table, key, f'kind "{kind}" has no such key; only {having}')
    if read.digest and read.concurrency not in (None, 1):
        mistakes.add(table, "concurrency", "a digest is one message at a time; remove it")


def _digest_ms(read: DestinationTable, table: str, mistakes: Mistakes) -> int:
    if read.digest is None:
        return 0
    if not _SHORTEST_DIGEST_MS <= read.digest <= _LONGEST_DIGEST_MS:
        mistakes.add(table, "digest", 'expected from "10s" to "7d", such as "15m"')
    return read.digest


def _url(
    read: DestinationTable,
    kind: DestinationKind,
    table: str,
    references: References,
    mistakes: Mistakes,
) -> str:
    if read.url is None:
        mistakes.add_missing(table, "url", _MISSING_URL[kind])
        return ""
    try:
        # The URLs of chat services are secrets themselves.
        chat = kind is not DestinationKind.HTTP
        url = references.read(read.url).decode() if chat else _dereferenced(read.url, references)
    except ValueError as error:
        mistakes.add(table, "url", str(error))
        return ""
    wrong = check_apprise(url.strip()) if kind is DestinationKind.APPRISE else _wrong_url(url)
    if wrong:
        mistakes.add(table, "url", wrong)
    return url.strip()


_MISSING_URL = {
    DestinationKind.HTTP: 'is missing, such as "https://example.com/hooks"',
    DestinationKind.SLACK: 'is missing; the webhook that Slack shows, as "env:SLACK_WEBHOOK_URL"',
    DestinationKind.APPRISE: 'is missing; an apprise URL by reference, as "env:TELEGRAM_URL"',
}


def _wrong_url(url: str) -> str:
    """What is wrong with a URL of HTTP, without repeating it."""
    try:
        parts = urlsplit(url)
        complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        return str(error)
    if not complete or not url.isascii() or re.search(r"\s", url):
        return 'expected a URL such as "https://example.com/hooks"'
    if parts.username or parts.password:
        return 'carries a password; use headers = { Authorization = "env:NAME" } instead'
    return ""


def _dereferenced(text: str, references: References) -> str:
    if not text.startswith(("env:", "file:")):
        return text
    return references.read(text).decode("ascii", "replace").strip()


def _secret(
    read: DestinationTable, table: str, references: References, mistakes: Mistakes
) -> Secret | None:
    if read.secret is None:
        return None
    try:
        secret = Secret(read.secret, references.read(read.secret))
    except ValueError as error:
        mistakes.add(table, "secret", str(error))
        return None
    if decode_key("whsec", secret.value) is None:
        mistakes.add(table, "secret", f"{secret.name} begins with whsec_, but no base64 follows")
    return secret


def _timeout_seconds(read: DestinationTable, table: str, mistakes: Mistakes) -> float:
    if read.timeout is None:
        return DEFAULT_TIMEOUT_SECONDS
    if not 0 < read.timeout <= MAX_TIMEOUT_MS:
        mistakes.add(table, "timeout", 'expected more than "0s" and at most "5m"')
    return read.timeout / 1_000


def _networks(read: DestinationTable, table: str, mistakes: Mistakes) -> tuple[Network, ...]:
    networks = []
    for text in read.allow:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            mistakes.add(table, "allow", f'expected networks such as "10.0.0.0/8": {error}')
    return tuple(networks)


def _headers(
    read: DestinationTable, table: str, references: References, mistakes: Mistakes
) -> Mapping[str, str]:
    headers = {}
    for name, text in read.headers.items():
        key = f"headers.{name}"
        if not _HEADER.fullmatch(name):
            mistakes.add(table, key, "is not a header name")
        elif name.lower() in _OURS:
            mistakes.add(table, key, "is set by the delivery itself; choose another header")
        elif name.lower() in _CREDENTIALS and not text.startswith(("env:", "file:")):
            mistakes.add(table, key, 'is a credential; write "env:NAME" or "file:PATH"')
        else:
            headers[name] = _header_value(text, table, key, references, mistakes)
    return MappingProxyType(headers)


def _header_value(
    text: str, table: str, key: str, references: References, mistakes: Mistakes
) -> str:
    try:
        value = _dereferenced(text, references)
    except ValueError as error:
        mistakes.add(table, key, str(error))
        return ""
    if not _VALUE.fullmatch(value):
        mistakes.add(table, key, "its value has characters that no header may have")
    return value


def _retry(read: RetryTable, table: str, mistakes: Mistakes) -> RetryPolicy:
    standard = RetryPolicy()
    policy = RetryPolicy(
        base_ms=standard.base_ms if read.base is None else read.base,
        cap_ms=standard.cap_ms if read.cap is None else read.cap,
        span_ms=standard.span_ms if read.span is None else read.span,
        attempts=read.attempts,
    )
    if policy.base_ms < 1 or policy.span_ms < 1:
        mistakes.add(table, "retry", 'base and span must be more than "0s"')
    if policy.cap_ms < policy.base_ms:
        mistakes.add(table, "retry.cap", "is less than base, the first wait")
    return policy
