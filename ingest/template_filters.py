"""What templates can do with values: filters whose results are bounded before they are made."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from jinja2 import TemplateRuntimeError, Undefined
from markupsafe import Markup

#: Characters, and elements of a list, that anything in a rendering may have.
TEXT_LIMIT = 500_000
_LONGEST_NUMBER = 4_096  # bits
_MOST_DIGITS = 9


class TooMuch(ArithmeticError):
    """A template that goes beyond its bounds."""


def as_text(value: Any) -> str:
    """Spell a value as a message shows it: text as it is, nothing for null, JSON's true and false.

    Raises UndefinedError for what is not there, and TemplateRuntimeError for lists and objects.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Undefined):
        return str(value)
    kind = "an object" if isinstance(value, Mapping) else "a list"
    raise TemplateRuntimeError(f"{kind} has no text of its own: write |tojson, or |join of a list")


def fits(left: Any, right: Any) -> None:
    """Raise TooMuch where ``left * right`` would not fit."""
    for one, other in ((left, right), (right, left)):
        sequence = isinstance(one, str | list | tuple)
        if sequence and isinstance(other, int) and len(one) * other > TEXT_LIMIT:
            raise TooMuch(f"it repeats to more than {TEXT_LIMIT:,} characters")
    whole = isinstance(left, int) and isinstance(right, int)
    if whole and left.bit_length() + right.bit_length() > _LONGEST_NUMBER:
        raise TooMuch("a number has more than a thousand digits")


def _on_text(change: Callable[[str], str]) -> Callable[[Any], str]:
    def filtered(value: Any) -> str:
        return change(as_text(value))

    return filtered


def _escaped(value: Any) -> Markup:
    return Markup.escape(as_text(value))


def _join(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    parts: list[str] = []
    size = 0
    for value in values:
        chosen = value if attribute is None else value[attribute]
        parts.append(str(as_text(chosen)))
        size += len(parts[-1]) + len(separator)
        if size > TEXT_LIMIT:
            raise TooMuch(f"it joins more than {TEXT_LIMIT:,} characters")
    return str(separator).join(parts)


def _replace(value: Any, old: str, new: str) -> str:
    text = str(as_text(value))
    if len(text) + text.count(old) * len(new) > TEXT_LIMIT:
        raise TooMuch(f"it replaces by more than {TEXT_LIMIT:,} characters")
    return text.replace(str(old), str(new))


def _truncate(value: Any, length: int = 255, end: str = "...") -> str:
    text = as_text(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


def _tojson(value: Any, indent: int | None = None) -> str:
    encoder = json.JSONEncoder(
        ensure_ascii=False, indent=None if indent is None else min(indent, 8)
    )
    parts: list[str] = []
    size = 0
    for part in encoder.iterencode(value):  # piece by piece: what is shared may be endless
        parts.append(part)
        size += len(part)
        if size > TEXT_LIMIT:
            raise TooMuch(f"it is more than {TEXT_LIMIT:,} characters of JSON")
    return "".join(parts)


def _round(value: float, digits: int = 0) -> float:
    return round(value, max(0, min(digits, _MOST_DIGITS)))


def _time(milliseconds: int) -> str:
    """Spell milliseconds since the epoch as a date and time in UTC."""
    moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


#: By the name that a template uses.
FILTERS: Mapping[str, Callable[..., Any]] = {
    "capitalize": _on_text(str.capitalize),
    "e": _escaped,
    "escape": _escaped,
    "join": _join,
    "lower": _on_text(str.lower),
    "replace": _replace,
    "round": _round,
    "string": _on_text(str),
    "time": _time,
    "title": _on_text(str.title),
    "tojson": _tojson,
    "trim": _on_text(str.strip),
    "truncate": _truncate,
    "upper": _on_text(str.upper),
    "urlencode": _on_text(lambda text: quote(text, safe="")),
}
