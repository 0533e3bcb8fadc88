"""[destinations.<name>] -> Destination."""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from types import MappingProxyType
from urllib.parse import urlsplit

from ingest.backoff import RetryPolicy
from ingest.config.mistakes import Mistakes
from ingest.config.model import DEFAULT_TIMEOUT_SECONDS, Destination, Network
from ingest.config.references import References
from ingest.config.schema import DestinationTable, RetryTable, read_table
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


def read_destination(
    name: str, raw: object, references: References, mistakes: Mistakes
) -> Destination | None:
    """One destination; None, with its mistakes noted, where it cannot be read."""
    table = f"destinations.{name}"
    read = read_table(DestinationTable, raw, table, mistakes)
    if read is None:
        return None
    return Destination(
        name=name,
        url=_url(read, table, references, mistakes),
        secret=_secret(read, table, references, mistakes),
        timeout_seconds=_timeout_seconds(read, table, mistakes),
        concurrency=read.concurrency,
        allow=_networks(read, table, mistakes),
        headers=_headers(read, table, references, mistakes),
        retry=_retry(read.retry, table, mistakes),
    )


def _url(read: DestinationTable, table: str, references: References, mistakes: Mistakes) -> str:
    if read.url is None:
        mistakes.add_missing(table, "url", 'is missing, such as "https://example.com/hooks"')
        return ""
    try:
        # The URLs of chat services are secrets themselves.
        url = _dereferenced(read.url, references)
        parts = urlsplit(url)
        complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        mistakes.add(table, "url", str(error))
        return ""
    if not complete or not url.isascii() or re.search(r"\s", url):
        mistakes.add(table, "url", 'expected a URL such as "https://example.com/hooks"')
    elif parts.username or parts.password:
        mistakes.add(
            table,
            "url",
            'carries a password; use headers = { Authorization = "env:NAME" } instead',
        )
    return url


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
