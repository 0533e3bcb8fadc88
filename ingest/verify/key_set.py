"""Keys that are fetched, as the pure verdict knows them: given as an argument, or asked for.

``verify`` opens no connection. Where an entry says that its keys are published (``key_source``),
it looks in the ``KeySet`` that it was given; what is not there it asks for with a ``NeedsKey``,
which is a refusal that says what to fetch. Whoever called fetches it (``ingest/key_fetching.py``)
and asks again. A URL that a request names itself is followed only inside the entry's pins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import orjson

from ingest.verify.public_keys import PublicKey, read_public_keys
from ingest.verify.request import Reason, Rejected

#: What may stand in a URL that is fetched: no blank, no backslash, no user, nothing to argue about.
_PLAIN_URL: Final = re.compile(r"https://[A-Za-z0-9.:-]{1,253}(/[A-Za-z0-9._~%+=&?/-]{0,1000})?")
_ONE_LABEL: Final = "[a-z0-9-]+"
_ONE_NAME: Final = "[A-Za-z0-9_-][A-Za-z0-9._-]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsKey(Rejected):
    """The verdict waits for a key: the document at ``url``, and in it the one named ``key_id``.

    ``field`` is the path to the key where the document is a JSON object that holds more.
    ``document_known``: it was fetched, and lacks the key. If that is still so after a fetch, the
    sender is at fault; a document that stays unknown is an outage, of ours or of the provider's.
    """

    url: str
    key_id: str | None = None
    field: str | None = None
    document_known: bool = False


def needs_key(
    url: str, key_id: str | None = None, field: str | None = None, *, document_known: bool = False
) -> NeedsKey:
    """Ask for the key with this id (None: whichever there are) at a URL that is pinned already."""
    return NeedsKey(
        Reason.KEY_UNAVAILABLE,
        "the key that is said to have signed this is not among the provider's published keys"
        if document_known
        else "the provider's published keys are not known here yet, or cannot be fetched",
        url=url,
        key_id=key_id,
        field=field,
        document_known=document_known,
    )


@dataclass(frozen=True, slots=True)
class KeySet:
    """What was fetched so far: every key by the URL of its document.

    ``anywhere`` answers for every other URL: the keys that a line of ``verify --jsonl`` carries.
    """

    documents: Mapping[str, Sequence[PublicKey]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    anywhere: Sequence[PublicKey] | None = None

    def at(self, url: str) -> Sequence[PublicKey] | None:
        """Every key of a document, or None where nobody has fetched it."""
        return self.documents.get(url, self.anywhere)


NO_KEYS: Final = KeySet()


def with_id(keys: Sequence[PublicKey], key_id: str | None) -> list[PublicKey]:
    """The keys that an id may mean: those that bear it; all of them where none is asked for.

    A key without an id (a certificate, a bare PEM) was named by its URL, so it always may.
    """
    return [key for key in keys if key_id is None or key.key_id in (None, key_id)]


def read_document(body: bytes, field: str | None = None) -> tuple[PublicKey, ...]:
    """Every key of a fetched document: a JSON Web Key Set, PEM, a certificate, base64 of SPKI.

    ``field`` is the dotted path to it inside a JSON object. () where there is none.
    """
    if field is None:
        return read_public_keys("spki", body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return read_public_keys("spki", value.encode()) if isinstance(value, str) else ()


def is_pinned(url: str, hosts: Sequence[str], path: str | None = None) -> bool:
    """Whether a URL is plain https to one of the hosts, and its path the one that is expected.

    ``*`` in a host is one label of it, in a path one name; a port counts only where the pin has
    it. Neither lets a query, a user or a fragment through unless the pin is without a path.
    """
    if not _PLAIN_URL.fullmatch(url):
        return False
    parts = urlsplit(url)
    host = parts.netloc.lower().removesuffix(":443")
    if not any(_pattern(pin.lower(), _ONE_LABEL).fullmatch(host) for pin in hosts):
        return False
    return path is None or bool(_pattern(path, _ONE_NAME).fullmatch(url.partition(parts.netloc)[2]))


@lru_cache(maxsize=1_024)
def _pattern(pin: str, star: str) -> re.Pattern[str]:
    return re.compile(star.join(re.escape(piece) for piece in pin.split("*")))
