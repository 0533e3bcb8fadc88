"""JSON as its senders wrote it: numbers keep their digits, and text is made again exactly.

Everything is bounded: who sends what proves nothing must not cost much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

_MOST_BYTES: Final = 1_000_000  # what is rewritten in Python costs about a second a megabyte
_DEEPEST: Final = 200
_LONGEST_NUMBER: Final = 1_000  # digits; RFC 8259 promises 17
_EXACT_DIGITS: Final = 15  # a double holds every integer of so many, and JSON has no leading zeros
#: ECMAScript writes integers out up to here, and small fractions down to 1e-6.
_MOST_DIGITS: Final = 21
_SMALLEST_PLAIN: Final = -6

_SHORT: Final = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r"}
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_PHP_ESCAPED: Final = re.compile(r'["\\/\x00-\x1f\x80-\U0010ffff]')


class Number(str):
    """A number's digits, as sent."""

    __slots__ = ()


def parsed(body: bytes) -> Any:
    """Parse JSON whose numbers become ``Number``; None for what is no JSON or too big. Pure."""
    if len(body) > _MOST_BYTES:
        return None
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def walk(value: Any, path: tuple[str, ...]) -> Any:
    """Follow names into objects; None where one is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def scalar(value: Any) -> str | None:
    """Write a string, a number as sent, or true and false; None for null, objects and arrays."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None


def _number(digits: str) -> Number:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number with too many digits")
    return Number(digits)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name twice: which of them was signed, a reader cannot know")
    return members


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_float=_number,
    parse_int=_number,
    parse_constant=_constant,
    strict=True,
)


class Writer:
    """Writes parsed JSON without blanks. ``sorts``: members in order of their UTF-16 names."""

    def __init__(
        self, text: Callable[[str], str], number: Callable[[str], str], *, sorts: bool
    ) -> None:
        self._text = text
        self._number = number
        self._sorts = sorts

    def write(self, value: Any) -> bytes | None:
        """Write it; None where it is too deep or a number is out of range. Never raises."""
        pieces: list[str] = []
        try:
            self._write(value, pieces.append, 0)
        except (ValueError, OverflowError):
            return None
        return "".join(pieces).encode("utf-8", "surrogatepass")

    def _write(self, value: Any, put: Callable[[str], None], depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        if isinstance(value, dict):
            self._write_object(value, put, depth)
        elif isinstance(value, list):
            put("[")
            for index, item in enumerate(value):
                put("," if index else "")
                self._write(item, put, depth + 1)
            put("]")
        elif isinstance(value, Number):
            put(self._number(value))
        elif isinstance(value, str):
            put(self._text(value))
        else:
            put("null" if value is None else "true" if value else "false")

    def _write_object(
        self, members: Mapping[str, Any], put: Callable[[str], None], depth: int
    ) -> None:
        put("{")
        for index, name in enumerate(sorted(members, key=_utf16) if self._sorts else members):
            put("," if index else "")
            put(self._text(name))
            put(":")
            self._write(members[name], put, depth + 1)
        put("}")


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def javascript_text(text: str) -> str:
    """Quote as ``JSON.stringify`` does, and RFC 8785 §3.2.2.2."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def php_text(text: str) -> str:
    """Quote as PHP's ``json_encode`` does without flags: ASCII only, ``/`` escaped."""
    return f'"{_PHP_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in '"\\/':
        return f"\\{character}"
    if character in _SHORT:
        return _SHORT[character]
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def as_sent(digits: str) -> str:
    """Write a number as it came."""
    return digits


def javascript_number(digits: str) -> str:
    """Write the double that the digits mean, as ECMAScript's Number::toString and RFC 8785 do.

    Raises ValueError for what is beyond a double.
    """
    if digits.isdigit() and len(digits) <= _EXACT_DIGITS:
        return digits
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("beyond a double")
    if value == 0:
        return "0"
    _, figures, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    shortest = "".join(map(str, figures))
    point = len(shortest) + int(exponent)
    return ("-" if value < 0 else "") + _placed(shortest, point)


def _placed(digits: str, point: int) -> str:
    if len(digits) <= point <= _MOST_DIGITS:
        return digits.ljust(point, "0")
    if 0 < point <= _MOST_DIGITS:
        return f"{digits[:point]}.{digits[point:]}"
    if _SMALLEST_PLAIN < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
