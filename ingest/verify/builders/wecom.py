"""WeCom and WeChat: SHA-1 of the token, the time, the nonce and the cipher text, sorted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import claim, unreadable
from ingest.verify.claims import Claim
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected

_PLACES: Final = (Atom.parse("query:timestamp"), Atom.parse("query:nonce"))
_JSON: Final = Atom.parse("body:encrypt")
_ECHO: Final = Atom.parse("query:echostr")
_XML: Final = re.compile(
    rb"<Encrypt>\s*(?:<!\[CDATA\[)?([A-Za-z0-9+/=]+)(?:\]\]>)?\s*</Encrypt>", re.ASCII
)


def wecom(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """SHA-1 of four texts, sorted and joined; the secret is one of them.

    Where the secret stands depends on its letters, so each of the four places counts. The cipher
    text is the body's only ``<Encrypt>`` (or ``encrypt`` of JSON), or ``echostr`` of a handshake.

    https://developer.work.weixin.qq.com/document/path/90968.
    """
    texts = [reading.read(place) for place in _PLACES]
    sealed = _sealed(reading)
    if sealed is None or None in texts:
        return unreadable("request, which lacks timestamp, nonce or one cipher text")
    parts = sorted([sealed, *((text or "").encode("utf-8", "surrogatepass") for text in texts)])
    splits = range(len(parts) + 1)
    return claim(provider, reading, [(b"".join(parts[:at]), b"".join(parts[at:])) for at in splits])


def _sealed(reading: Reading) -> bytes | None:
    text = reading.read(_ECHO) if reading.request.method == "GET" else reading.read(_JSON)
    if text is not None:
        return text.encode("utf-8", "surrogatepass")
    found = _XML.findall(reading.request.body)
    return found[0] if len(found) == 1 else None
