"""When a provider sends an event again that was not acknowledged."""

from __future__ import annotations

from typing import Final

from ingest.verify.provider import Provider

_TRIES: Final = 6
_STEPS: Final = tuple(float(2**step) for step in range(_TRIES))
#: Where the provider does not say how long it waits for an answer.
_DEADLINE_SECONDS: Final = 30.0


def waits(provider: Provider, within: float) -> tuple[float, ...]:
    """Return the waits between its sendings, in seconds, each twice the one before.

    An entry names the window in which its provider tries, and not its steps; the window is
    shortened to ``within`` seconds, since nobody plays three days.
    """
    window = min(float(provider.retry_window_seconds), within)
    return tuple(window * step / sum(_STEPS) for step in _STEPS)


def deadline(provider: Provider) -> float:
    """How many seconds the provider waits for an answer."""
    return float(provider.deadline_seconds or _DEADLINE_SECONDS)
