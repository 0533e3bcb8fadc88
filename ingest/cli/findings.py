"""What ``doctor`` finds: a level, what it means, and what to do about it."""

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """``fail`` needs somebody now, ``warn`` needs somebody to know."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of ``doctor``; ``advice`` is "" where nothing is to be done."""

    name: str
    level: Level
    message: str
    advice: str = ""


def ok(name: str, message: str) -> Finding:
    """All is well."""
    return Finding(name, Level.OK, message)


def warn(name: str, message: str, advice: str) -> Finding:
    """It works, but not as it should."""
    return Finding(name, Level.WARN, message, advice)


def fail(name: str, message: str, advice: str) -> Finding:
    """It does not work, or a promise is broken."""
    return Finding(name, Level.FAIL, message, advice)
