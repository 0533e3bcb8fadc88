"""Durations, sizes and rates as people write them: "15s", "3d", "10MB", "100/s"."""

import re
from decimal import Decimal

from ingest.allowance import Rate

#: Milliseconds in each unit of time.
DURATION_UNITS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
#: Bytes in each unit of size: MB is the decimal one, MiB the binary one (IEC 80000-13).
SIZE_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
#: Beyond this a number is a slip of the hand, and would overflow a BIGINT of milliseconds.
_LIMIT = 2**53
_RATE = re.compile(r"([0-9]{1,9})/([smh])", re.ASCII)
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)", re.ASCII)


def parse_duration(text: object) -> int:
    """Milliseconds of "500ms", "15s", "5m", "6h", "3d" or "2w". Raises ValueError for people."""
    example = 'a duration such as "15s", "6h" or "3d"'
    return _quantity(text, DURATION_UNITS, example)


def parse_size(text: object) -> int:
    """Bytes of "512KB", "10MB" or "1GiB". Raises ValueError for people."""
    example = 'a size such as "512KB", "10MB" or "1GiB"'
    return _quantity(text, SIZE_UNITS, example)


def parse_days(text: object) -> int:
    """Whole days, at least one, of "90d" or "2w". Raises ValueError for people."""
    example = 'whole days such as "90d"'
    days, rest = divmod(_quantity(text, DURATION_UNITS, example), DURATION_UNITS["d"])
    if rest or not days:
        raise ValueError(f"expected {example}, got {text!r}")
    return days


def parse_rate(text: object) -> Rate:
    """So many a second, minute or hour: "100/s", "600/m" or "10000/h". Raises ValueError."""
    found = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or not int(found[1]):
        raise ValueError(f'expected a rate such as "100/s", "600/m" or "10000/h", got {text!r}')
    return Rate(int(found[1]), DURATION_UNITS[found[2]] // 1_000)


def format_duration(milliseconds: int) -> str:
    """The shortest exact way to write a duration: 259_200_000 is "3d"."""
    for unit, size in sorted(DURATION_UNITS.items(), key=lambda pair: -pair[1]):
        # Weeks are understood, but people compare days.
        if unit != "w" and milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def _quantity(text: object, units: dict[str, int], example: str) -> int:
    if not isinstance(text, str):
        raise ValueError(f"expected {example} in quotes, got {text!r}")  # noqa: TRY004 - pydantic turns a ValueError, not a TypeError, into a message
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or found[2] not in units:
        raise ValueError(f"expected {example}, got {text!r} (units: {', '.join(units)})")
    amount = Decimal(found[1]) * units[found[2]]
    if amount != int(amount) or amount > _LIMIT:
        raise ValueError(f"expected {example}, got {text!r}, which is too fine or too large")
    return int(amount)
