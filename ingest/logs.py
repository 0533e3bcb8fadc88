"""Structured logs: one JSON object a line on stdout, for our lines and for the libraries'.

``configure`` is called once by each process. Libraries that log through the standard library
(uvicorn, dramatiq, alembic) pass the same processors, so every line has the same shape. The
last processors are two safety nets: values whose key names a secret are masked, and control
characters are written as escapes, so that no value can forge a line or drive a terminal
(uvicorn < 0.11.7 had that hole: research/ops.md §3.7).

Writing a log line never raises: a reader that went away must not fail a request. A line costs
8 us, and every event has at least three: what is done for each of its values looks for the
ordinary case first.
"""

import functools
import logging
import re
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, BinaryIO, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["json", "console"]

MASK = "[redacted]"
#: Keys whose values are never written, compared in lower case with "-" as "_".
DENIED = frozenset(
    {
        "api_key",
        "authorization",
        "body",
        "cookie",
        "credential",
        "headers",
        "password",
        "payload",
        "private_key",
        "proxy_authorization",
        "query",
        "secret",
        "secrets",
        "set_cookie",
        "signature",
        "token",
    }
)
_DENIED_ENDINGS = ("_api_key", "_password", "_secret", "_signature", "_token")
_URL_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]*@")
# C0, DEL, C1, lone surrogates, and the characters that break or reorder a line on a terminal.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_INTEGERS = 1 << 63  # what a JSON reader can be trusted with, and orjson writes
_PLAIN = frozenset({str, int, float, bool, type(None)})
_HARMLESS = frozenset({float, bool, type(None)})
#: Fields that are several lines long by nature.
_TRACEBACKS = ("exception", "stack")


def configure(level: str, log_format: LogFormat, stream: BinaryIO | None = None) -> "Lines":
    """Send every log line of this process to ``stream`` (standard output by default).

    ``level`` is a standard name in any case. Raises ValueError for an unknown one. Returns where
    the lines go.
    """
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise ValueError(f"{level!r} is not a log level; use debug, info, warning or error")
    target = Lines(sys.stdout.buffer if stream is None else stream)
    processors = _processors(log_format)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *names: _LineLogger(target, *names),
        cache_logger_on_first_use=True,
    )
    _adopt_standard_logging(threshold, _LineHandler(target, processors))
    return target


_CONTEXT: ContextVar[Mapping[str, object]] = ContextVar("context", default=MappingProxyType({}))


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Put these on every line that is logged inside the block, by a handler's code, say.

    structlog's own way has a context variable a field: four of them cost 4 us a delivery.
    """
    token = _CONTEXT.set({**_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


@contextmanager
def together() -> Iterator[None]:
    """Write what this thread logs inside the block at its end, by one write.

    Each write is a system call and gives the interpreter lock away; a batch has hundreds of lines.
    """
    before, _HELD.lines = _HELD.lines, {}
    try:
        yield
    finally:
        held, _HELD.lines = _HELD.lines, before
        for target, lines in held.items():
            target.put(lines)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask values by the name of their key, at any depth: the net below careful callers."""
    for key, value in event.items():
        kind = type(value)
        if _is_denied(key) or (kind is str and "://" in value) or kind not in _PLAIN:
            event[key] = _redacted(key, value)
    return event


def escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write control characters as escapes; tracebacks keep their line breaks, indented."""
    for key, value in event.items():
        kind = type(value)
        if kind is str and value.isprintable():  # as no unsafe character is
            continue
        if kind in _HARMLESS or (kind is int and -_INTEGERS <= value < _INTEGERS):
            continue
        event[key] = _escaped_traceback(value) if key in _TRACEBACKS else _escaped(value)
    return event


def _processors(log_format: LogFormat) -> list[Processor]:
    render: Processor = _render_json
    if log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        render = _encoded(renderer)
    return [
        _add_context,
        structlog.contextvars.merge_contextvars,
        _add_origin,
        structlog.processors.format_exc_info,
        redact,
        escape,
        render,
    ]


def _add_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in _CONTEXT.get().items():
        event.setdefault(key, value)
    return event


def _add_origin(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["level"] = _LEVELS.get(method, method)
    if logger is not None:
        event["logger"] = logger.name
    seconds, microseconds = divmod(time.time_ns() // 1_000, 1_000_000)
    event["timestamp"] = f"{_second(seconds)}.{microseconds:06d}Z"
    return event


_LEVELS = {"warn": "warning", "exception": "error"}


@functools.lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS)


def _encoded(renderer: Callable[[WrappedLogger, str, EventDict], str]) -> Processor:
    def render(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
        return renderer(logger, method, event).encode("utf-8", "backslashreplace")

    return render


@functools.lru_cache(maxsize=1_024)
def _is_denied(key: object) -> bool:
    name = str(key).lower().replace("-", "_")
    return name in DENIED or name.endswith(_DENIED_ENDINGS)


def _redacted(key: object, value: Any) -> Any:
    if _is_denied(key):
        return MASK
    if isinstance(value, dict):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", item) for item in value]
    if isinstance(value, str) and "://" in value:
        return _URL_PASSWORD.sub(f"://{MASK}@", value)
    return value


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else _UNSAFE.sub(_escape_match, value)
    if isinstance(value, dict):
        return {_escaped(str(key)): _escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -_INTEGERS <= value < _INTEGERS:
        return value
    return _escaped(str(value))


def _escaped_traceback(value: Any) -> str:
    lines = str(value).split("\n")
    return "\n    ".join(_UNSAFE.sub(_escape_match, line) for line in lines)


def _escape_match(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - one byte


class Lines:
    """Where finished lines go; each is written at once, unless they are gathered."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._soon: Callable[[Callable[[], None]], object] | None = None
        self._owner = 0
        self._gathered: list[bytes] = []

    def gather(self, call_soon: Callable[[Callable[[], None]], object] | None) -> None:
        """Write what this thread logs once for every turn of its event loop.

        ``call_soon`` is that loop's; None ends it. Every write gives the interpreter lock away,
        and under load a turn of the receiver's loop logs dozens of lines.
        """
        self.flush()
        self._soon = call_soon
        self._owner = threading.get_ident()

    def write(self, line: bytes) -> None:
        """Take one line, without its end."""
        if _HELD.lines is not None:
            _HELD.lines.setdefault(self, []).append(line)
            return
        if self._soon is None or threading.get_ident() != self._owner:
            self._put(line)
            return
        if not self._gathered:
            self._soon(self.flush)
        self._gathered.append(line)

    def flush(self) -> None:
        """Write what was gathered."""
        gathered, self._gathered = self._gathered, []
        self.put(gathered)

    def put(self, lines: list[bytes]) -> None:
        """Write lines, in pieces that a pipe shared with others keeps whole."""
        piece: list[bytes] = []
        size = 0
        for line in lines:
            size += len(line) + 1
            if piece and size > select.PIPE_BUF:
                self._put(b"\n".join(piece))
                piece, size = [], len(line) + 1
            piece.append(line)
        if piece:
            self._put(b"\n".join(piece))

    def _put(self, lines: bytes) -> None:
        try:
            self._stream.write(lines + b"\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader of our output went away; the work goes on


class _Held(threading.local):
    """The lines that a thread holds back (``together``), by where they go; None: it does not."""

    lines: dict[Lines, list[bytes]] | None = None


_HELD = _Held()


class _LineLogger:
    """What structlog hands a rendered line to."""

    def __init__(self, lines: Lines, name: str = "") -> None:
        self.name = name
        self.msg = lines.write
        self.debug = self.info = self.warning = self.error = lines.write
        self.critical = self.exception = self.log = lines.write


class _LineHandler(logging.Handler):
    """The standard library's records, through the same processors as our own lines."""

    def __init__(self, lines: Lines, processors: list[Processor]) -> None:
        super().__init__()
        self._lines = lines
        self._processors = processors

    def emit(self, record: logging.LogRecord) -> None:
        event: Any = {"event": _message(record)}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        for processor in self._processors:
            event = processor(record, record.levelname.lower(), event)
        self._lines.write(event)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a library's bad log call must not break the library
        return f"{record.msg} (its arguments do not fit)"


def _adopt_standard_logging(threshold: int, handler: logging.Handler) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        if type(old) in (logging.StreamHandler, _LineHandler):  # leaves pytest's own handlers
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "dramatiq", "alembic"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # The receiver writes one line a request itself; uvicorn asks hasHandlers() before it does.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
