"""The trace id that follows an event: the sender's where it is valid, else a new one."""

import re

# https://www.w3.org/TR/trace-context/#traceparent-header: version 00 ends after the flags, a
# later version may go on after a dash, ff is forbidden, and an id of zeros is none.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    r"-[0-9a-f]{2}(?P<rest>-.*)?",
    re.ASCII,
)


def trace_id(traceparent: str | None, fresh: str) -> str:
    """32 hex digits: those of a valid W3C ``traceparent``, else ``fresh``."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None or (match["version"] == "00" and match["rest"]):
        return fresh
    return match["trace"]
