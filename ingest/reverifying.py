"""Verifying kept requests again, with the secrets of today and the clock of their receipt.

After a secret is mended, what it turned away becomes what it would have been: an event by the same
transaction, with the time of its receipt, once. A secret that had ended by then is ended still, and
a request that was stale stays stale.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import uuid_utils

from ingest.config.model import Config, Source
from ingest.credentials import CredentialKey
from ingest.errors import BrokerUnavailable, RowRejected
from ingest.events import Accepted, Arrival
from ingest.header_pairs import headers_text
from ingest.origin import moved
from ingest.rejection import RejectedState
from ingest.restoring import restored, unrestored
from ingest.store import Database
from ingest.store import rejected as store
from ingest.store.rejected import Wanted, WholeRejected
from ingest.verify import Reason, Rejected, Request, Verified, dedupe_key, verify
from ingest.verify.handshakes.answering import answer as answer_handshake
from ingest.verify.key_set import NO_KEYS, KeySet, NeedsKey

#: Requests a look; at most so many bodies are in memory.
_PAGE = 20
#: Reasons beside those of ``verify``.
UNKNOWN_SOURCE = "unknown_source"
HANDSHAKE = "handshake"
NOT_STORABLE = "not_storable"


@dataclass(slots=True)
class Tally:
    """What verifying again came to. ``refused``: by the reason of today.

    ``last_id``: the last request that was looked at; None where there was none.
    """

    checked: int = 0
    released: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    last_id: str | None = None


class Reverifying:
    """Verifies with one configuration (learned secrets included).

    ``publish`` gets the ids of new events after their commit; where it fails, the scheduler does it
    within seconds. ``fetch`` waits for the keys that a provider publishes. ``origin``: as senders
    know the receiver; it may have been mended since.
    """

    def __init__(
        self,
        database: Database,
        config: Config,
        key: CredentialKey,
        publish: Callable[[Sequence[str]], None],
        fetch: Callable[[NeedsKey], KeySet],
        origin: str,
    ) -> None:
        self._database = database
        self._sources: Mapping[str, Source] = config.sources
        self._key = key
        self._publish = publish
        self._fetch = fetch
        self._origin = origin
        self._published = True  # while the broker answers: to wait for it each time takes seconds

    def run(self, wanted: Wanted, tally: Tally, *, after_id: str = "", until_id: str) -> bool:
        """Verify the next requests in the order of receipt; whether there may be more."""
        after = tally.last_id or after_id
        found = store.next_kept(
            self._database, wanted, after_id=after, until_id=until_id, limit=_PAGE
        )
        for kept in found:
            self.one(kept, tally)
        return len(found) == _PAGE

    def one(self, kept: WholeRejected, tally: Tally) -> str | None:
        """Verify one and release it if it passes; returns the id of its event."""
        tally.last_id = kept.id
        if kept.state is RejectedState.RELEASED:
            return kept.released_event_id
        tally.checked += 1
        judged = self._judge(kept)
        if isinstance(judged, str):
            tally.refused[judged] += 1
            return None
        try:
            answer = store.release(self._database, kept.id, judged)
        except RowRejected:
            tally.refused[NOT_STORABLE] += 1
            return None
        if answer is None:  # another run was faster
            tally.checked -= 1
            return store.get_rejected(self._database, kept.id).released_event_id
        self._count(answer, tally)
        return answer.event_id

    def _count(self, answer: Accepted, tally: Tally) -> None:
        if answer.duplicate:
            tally.duplicates += 1
            return
        tally.released += 1
        if not self._published:
            return
        try:
            self._publish([answer.event_id])
        except BrokerUnavailable:
            self._published = False

    def _judge(self, kept: WholeRejected) -> Arrival | str:
        """The arrival of a request that passes today, else the reason why it does not."""
        source = self._sources.get(kept.source)
        if source is None:
            return UNKNOWN_SOURCE
        request = _as_sent(kept, source, self._key, self._origin)
        verdict = self._again(source, request, kept.received_at)
        if isinstance(verdict, Verified):
            return _arrival(source, kept, verdict)
        return verdict

    def _again(self, source: Source, request: Request, at: int) -> Verified | str:
        verdict = _judged(source, request, at, NO_KEYS)
        if isinstance(verdict, NeedsKey):
            verdict = _judged(source, request, at, self._fetch(verdict))
        if isinstance(verdict, Verified | str):
            return verdict
        if unrestored(request, source.provider):
            return Reason.BAD_SIGNATURE.value
        return verdict.reason.value


def _judged(source: Source, request: Request, at: int, keys: KeySet) -> Verified | Rejected | str:
    """Judge a request as the receiver would have ``at`` its receipt (ms)."""
    provider, options, secrets = source.provider, source.options, source.secrets
    if answer_handshake(provider, request, options, secrets, at, keys=keys) is not None:
        return HANDSHAKE
    return verify(provider, request, secrets, at, options=options, keys=keys)


def _as_sent(kept: WholeRejected, source: Source, key: CredentialKey, origin: str) -> Request:
    request = Request(kept.method, moved(kept.url, origin), kept.headers, kept.body)
    return restored(request, source.provider, source.secrets, key)


def _arrival(source: Source, kept: WholeRejected, verified: Verified) -> Arrival:
    """An event that was received then. Its id is new: exports go by ids, and passed that time.

    The dedupe key lives from now on: the provider's own tries of one event, all of them kept, may
    be released long after its window.
    """
    key = dedupe_key(source.name, source.provider, verified, kept.body_sha256, source.dedupe)
    return Arrival(
        event_id=str(uuid_utils.uuid7()),
        source=source.name,
        type=verified.event_type,
        provider_event_id=verified.event_id,
        received_at=kept.received_at,
        headers=headers_text(kept.headers),
        query=Request(kept.method, kept.url, (), b"").query,
        content_type=kept.content_type,
        body=kept.body,
        body_sha256=kept.body_sha256,
        trace_id=kept.trace_id,
        secret_name=verified.secret_name,
        type_signed=verified.type_signed,
        dedupe_key=key,
        dedupe_for_ms=None if key is None else source.dedupe_window_ms,
    )
