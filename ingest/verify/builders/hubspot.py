"""HubSpot v3: its senders percent-decode some characters of the URL before they sign it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from ingest.verify.builders.claiming import claim, lacks
from ingest.verify.claims import Claim
from ingest.verify.content import wire
from ingest.verify.places import Reading, sole
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected

_TIMESTAMP: Final = "X-HubSpot-Request-Timestamp"
#: The table of the documentation: : / ? @ ! $ ' ( ) * , ;
_DECODED: Final = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def hubspot_v3(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of method, URL, body and timestamp; of the URL as it came, or with the table decoded.

    https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/
    request-validation asks for the decoding, hubspot-api-client 12.0 ``utils/signature.py`` does
    none: HubSpot's own documents differ, so either counts.
    """
    request = reading.request
    timestamp = sole(request.all(_TIMESTAMP))
    if timestamp is None:
        return lacks(_TIMESTAMP)
    decoded = _DECODED.sub(lambda escaped: unquote(escaped[0]), request.url)
    rest = request.body + wire(timestamp)
    return claim(
        provider,
        reading,
        [(wire(request.method) + wire(url) + rest,) for url in {request.url, decoded}],
    )
