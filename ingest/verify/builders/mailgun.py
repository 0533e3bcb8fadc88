"""Mailgun: the signature stands in the body beside the token and the time that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import claim, unreadable
from ingest.verify.claims import Claim
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected

#: Events are JSON; routes and the first generation of webhooks are forms.
_TIMESTAMP: Final = (Atom.parse("body:signature.timestamp"), Atom.parse("form:timestamp"))
_TOKEN: Final = (Atom.parse("body:signature.token"), Atom.parse("form:token"))


def mailgun(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of ``{timestamp}{token}``. It covers nothing of the event, so a token serves once.

    https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks;
    mailgun 1.10 ``security.py`` (JSON), django-anymail 15.2 ``webhooks/mailgun.py`` (forms). The
    ``parent-signature`` of a subaccount's event is not read: its time would go unchecked.
    """
    timestamp = _first(reading, _TIMESTAMP)
    token = _first(reading, _TOKEN)
    if timestamp is None or token is None:
        return unreadable("body, which has no signature with timestamp and token")
    content = f"{timestamp}{token}".encode("utf-8", "surrogatepass")
    return claim(provider, reading, [(content,)])


def _first(reading: Reading, places: Sequence[Atom]) -> str | None:
    return next((text for place in places if (text := reading.read(place)) is not None), None)
