"""What is wrong with the head of a request, before anybody acts on it. Pure.

httptools refuses most of what is no HTTP/1.1. What it lets pass (0.9: every line here, measured by
``tests/web/hostile/``) either has readers that disagree where a request ends (RFC 9112 §6, §11.2)
or makes one of another host than the one that was asked.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from ingest import answers
from ingest.answers import Answer

#: Of a head: more than any honest sender needs. httptools has no limits of its own
#: (research/ops.md §3.5: 20 MB gave 200).
HEADERS_LIMIT = 100
BYTES_LIMIT = 32_768
#: Of a target. Providers' own addresses have at most a few hundred bytes.
TARGET_BYTES = 8_192
_ORIGIN_FORM = b"/"
_SPOKEN = ("1.1", "1.0")
#: A name, an IPv4 or a bracketed IPv6 address, and a port; less than RFC 3986 allows, since the
#: host becomes a part of URLs that are signed.
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def _wrong(status: int, code: str, message: str) -> Answer:
    return answers.rejected(status, code, message, close=True)


MALFORMED = _wrong(400, "malformed", "This is no request of HTTP/1.1.")
HEAD_TOO_LARGE = _wrong(431, "head_too_large", "The headers are too many or too long.")
HEAD_TOO_SLOW = _wrong(408, "head_too_slow", "The head of the request took too long.")
_BAD_TARGET = _wrong(400, "bad_target", "Ask for a path, such as /in/github.")
_LONG_TARGET = _wrong(414, "target_too_long", f"A target has at most {TARGET_BYTES} bytes.")
_BAD_HOST = _wrong(400, "bad_host", "A request names its host once, in a Host header.")
_BAD_VERSION = _wrong(505, "bad_version", "This port speaks HTTP/1.1.")
_BAD_CODING = _wrong(400, "bad_coding", "The only transfer coding is chunked, of HTTP/1.1.")
_BAD_EXPECTATION = _wrong(417, "bad_expectation", "The only expectation is 100-continue.")


def too_large(target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a head alone, names and values with the target, is more than it may be."""
    size = len(target) + sum(len(name) + len(value) for name, value in headers)
    return len(headers) > HEADERS_LIMIT or size > BYTES_LIMIT


def wrong_with(
    target: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]
) -> Answer | None:
    """Say how a head is refused; None: it is not. ``headers`` have names in small letters."""
    if version not in _SPOKEN:
        return _BAD_VERSION
    if target[:1] != _ORIGIN_FORM or b"#" in target:
        return _BAD_TARGET
    if len(target) > TARGET_BYTES:
        return _LONG_TARGET
    return _wrong_headers(headers, version)


def _wrong_headers(headers: Sequence[tuple[bytes, bytes]], version: str) -> Answer | None:
    named = dict(headers)
    again = len(named) != len(headers) and sum(name == b"host" for name, _ in headers) > 1
    if again or not _is_host(named.get(b"host", b"")):
        return _BAD_HOST
    coding = named.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or version != "1.1"):
        return _BAD_CODING
    expectation = named.get(b"expect")
    if expectation is not None and expectation.lower() != b"100-continue":
        return _BAD_EXPECTATION
    return None


@lru_cache(maxsize=256)  # senders use the same few names again and again
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None
