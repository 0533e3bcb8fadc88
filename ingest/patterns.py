"""Which events a route or a handler wants: source, types, and a predicate on the body. Pure.

Only ``*`` is special in a pattern; it stands for any characters, dots included. A type
without ``*`` also covers its subtypes: ``issues`` wants ``issues`` and ``issues.opened``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.events import Event

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

#: Stands for a body that is not JSON, so that None can stand for the JSON null.
NOT_JSON = object()


@dataclass(frozen=True, slots=True)
class Pattern:
    """``types`` empty: every type. ``where`` None: whatever the body says."""

    source: str
    types: tuple[str, ...] = ()
    where: ParsedResult | None = None

    def wants(self, event: Event, document: Callable[[], object]) -> bool:
        """Whether the event is wanted; ``document`` gives its JSON (or NOT_JSON) if needed."""
        if not glob(self.source, event.source):
            return False
        if self.types and not any(covers(wanted, event.type) for wanted in self.types):
            return False
        return self.where is None or holds(self.where, document())


def pattern(source: str, types: tuple[str, ...] = (), where: str | None = None) -> Pattern:
    """A Pattern with its predicate compiled. Raises ValueError where that is no JMESPath."""
    return Pattern(source, types, None if where is None else compile_predicate(where))


def compile_predicate(expression: str) -> ParsedResult:
    """A JMESPath expression, parsed once. Raises ValueError with the place of the mistake."""
    # Imported here: `from ingest import on` must stay cheap.
    import jmespath  # noqa: PLC0415 - see above
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - see above

    try:
        return jmespath.compile(expression)
    except (JMESPathError, ValueError) as error:
        # The rest of its message draws the place with spaces, which no single line can hold.
        reason = str(error).splitlines()[0].rstrip(":")
        raise ValueError(f"{expression!r} is not a JMESPath expression: {reason}") from error


def glob(wanted: str, text: str) -> bool:
    """Whether ``text`` matches a pattern in which ``*`` is any characters. Linear, no regex."""
    if "*" not in wanted:
        return wanted == text
    first, *middle, last = wanted.split("*")
    start, end = len(first), len(text) - len(last)
    if start > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True


def covers(wanted: str, event_type: str) -> bool:
    """Whether a type pattern covers an event type: itself, or a subtype after a dot."""
    if "*" in wanted:
        return glob(wanted, event_type)
    return event_type == wanted or event_type.startswith(wanted + ".")


def holds(predicate: ParsedResult, document: object) -> bool:
    """Whether a predicate is true of a document. An evaluation that fails is not true.

    True as JMESPath has it: anything but false, null and the empty string, list and object.
    https://jmespath.org/specification.html#or-expressions
    """
    if document is NOT_JSON:
        return False
    try:
        result = predicate.search(document)
    except MemoryError:
        # The machine's trouble, not the body's: an event must not lose its route to it.
        raise
    except Exception:  # noqa: BLE001 - a stranger's body meets a user's expression: any error means "does not match"
        return False
    return result is not None and result is not False and result not in ("", [], {})
