"""What a verdict is made of: violations, each with how often and some examples. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

#: How many examples of each violation are told.
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant: how often, and some examples."""

    invariant: str
    what: str
    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f": {', '.join(self.examples)}" if self.examples else ""
        return f"{self.invariant} {self.what} ({self.count}){shown}".lstrip()


def violations(invariant: str, what: str, found: Iterable[object]) -> list[Violation]:
    """Make a violation of what was found; none where nothing was."""
    every = sorted(str(one) for one in found)
    return [Violation(invariant, what, len(every), tuple(every[:_EXAMPLES]))] if every else []
