"""When a provider sends an event again that was not acknowledged."""

from __future__ import annotations

from typing import Final

from ingest.verify.provider import Provider

#: Where an entry knows neither the waits nor how many there are.
_RETRIES: Final = 6
#: Where the provider does not say how long it waits for an answer.
_DEADLINE_SECONDS: Final = 30.0


def waits(provider: Provider, within: float) -> tuple[float, ...]:
    """Return the waits before its further sendings, in seconds; () where it sends none by itself.

    The documented ones, or as many as are documented, spread over the provider's window, each
    longer than the one before. Shortened in proportion where they take longer than ``within``
    seconds, since nobody plays three days.
    """
    steps = provider.retry_waits_seconds or _growing(provider)
    total = sum(steps)
    return tuple(step * min(1.0, within / total) for step in steps)


def _growing(provider: Provider) -> tuple[float, ...]:
    """Doubling waits, or of more than six such that the last is 64 times the first."""
    number = _RETRIES if provider.retries is None else provider.retries
    if not number:
        return ()
    ratio = 2.0 ** min(1.0, _RETRIES / number)
    grown = [ratio**step for step in range(number)]
    return tuple(provider.retry_window_seconds * step / sum(grown) for step in grown)


def deadline(provider: Provider) -> float:
    """How many seconds the provider waits for an answer."""
    return float(provider.deadline_seconds or _DEADLINE_SECONDS)
