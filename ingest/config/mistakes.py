"""Mistakes in a configuration, collected so that one run reports them all."""

import difflib
from collections.abc import Collection, Iterable

from ingest.errors import ConfigError

#: More names than this are no longer read.
_LISTED = 30


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """A sentence that leads from a wrong word to a right one: the nearest, else all of them."""
    choices = sorted(set(valid))
    near = _nearest(word, choices)
    if near is not None:
        return f'did you mean "{near}"?'
    if not choices:
        return "there are none to choose from"
    return f"one of: {listed(choices)}"


def listed(names: Collection[str]) -> str:
    """The names in alphabetical order, cut short where they are too many to read."""
    first, more = sorted(names)[:_LISTED], len(names) - _LISTED
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def _nearest(word: str, choices: list[str]) -> str | None:
    folded = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), folded, n=1)
    return folded[near[0]] if near else None


class Mistakes:
    """What is wrong with one file (or the environment), in the order it was found."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[tuple[str, str, str]] = []

    def add(self, table: str, key: str, text: str) -> None:
        """Note a mistake; ``table`` is "" at the top of the file, else "sources.github"."""
        self._found.append((table, key, text))

    def add_missing(self, table: str, key: str, text: str) -> None:
        """Note that a key is missing, unless it is there with a mistake of its own."""
        if not any((table, key) == found[:2] for found in self._found):
            self.add(table, key, text)

    def raise_if_any(self) -> None:
        """Raise one ConfigError that lists everything."""
        if not self._found:
            return
        lines = [_line(*found) for found in self._found]
        if len(lines) == 1:
            raise ConfigError(f"{self.file}: {lines[0]}")
        raise ConfigError("\n  ".join([f"{self.file}: {len(lines)} mistakes", *lines]))


def _line(table: str, key: str, text: str) -> str:
    place = f"[{table}] {key}" if table and key else f"[{table}]" if table else key
    return f"{place}: {text}" if place else text
