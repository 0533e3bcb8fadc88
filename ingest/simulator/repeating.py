"""Whether the receiver can tell that an event came before, and that another one did not."""

from __future__ import annotations

import hashlib
from typing import Final

from ingest.simulator.planned import Expected
from ingest.simulator.senders import Sender
from ingest.verify.dedupe import dedupe_key
from ingest.verify.request import Rejected, Request
from ingest.verify.verification import verify

_LATER_MS: Final = 2_000
_IDS: Final = ("5b0d2f2e-0000-4000-8000-000000000001", "5b0d2f2e-0000-4000-8000-000000000002")


def expected_of(sender: Sender, name: str, now: int) -> Expected:
    """What becomes of an event of this sample that is sent again, two seconds later.

    Judged as the receiver does. Raises ValueError where it would believe neither sending.
    """
    composed = sender.compose(name, _IDS[0], now)
    first, again = (
        _key(sender, sender.sign(composed, moment), moment) for moment in (now, now + _LATER_MS)
    )
    return Expected.ONCE if first is not None and first == again else Expected.EACH


def tells_apart(sender: Sender, name: str, now: int) -> bool:
    """Whether two different events of this sample are two to the receiver.

    They are not where ``dedupe = "body"`` and the sample has its id in a header.
    """
    one, other = (
        _key(sender, sender.sign(sender.compose(name, each, now), now), now) for each in _IDS
    )
    return one is None or one != other


def _key(sender: Sender, request: Request, now: int) -> bytes | None:
    """The dedupe key that the receiver would give it."""
    source = sender.source
    verdict = verify(source.provider, request, source.secrets, now, options=source.options)
    if isinstance(verdict, Rejected):
        text = f"the source {source.name} refuses what is made for it: {verdict.detail}"
        raise ValueError(text)  # noqa: TRY004 -- of the configuration, no wrong type
    digest = hashlib.sha256(request.body).digest()
    return dedupe_key(source.name, source.provider, verdict, digest, source.dedupe)
