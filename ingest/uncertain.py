"""Tells which sources go by rules that nobody has confirmed with the provider's own words."""

from collections.abc import Iterable

import structlog

from ingest.config.model import Source

logger = structlog.get_logger(__name__)

#: What is known of these comes from others than the provider itself.
_BELOW_DOCUMENTED = "community"


class Uncertain:
    """One warning for each source, and another one when it goes by another provider's rules."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def tell(self, sources: Iterable[Source]) -> None:
        """Warn of those of which nothing was said yet."""
        for source in sources:
            provider = source.provider
            known = (source.name, provider.slug)
            if provider.evidence != _BELOW_DOCUMENTED or known in self._told:
                continue
            self._told.add(known)
            logger.warning(
                "source.uncertain",
                source=source.name,
                provider=provider.slug,
                evidence=provider.evidence,
                docs=provider.docs,
                hint="what is known of this provider comes from others than itself: send a test "
                f"event from there. If it is rejected, compare `hookkeeper providers show "
                f"{provider.slug}` with its documentation, and describe it in "
                f"[sources.{source.name}.scheme]",
            )
