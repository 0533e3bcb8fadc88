"""Idempotency keys of single replays: whoever heard no answer asks again, and gets the first one.

Jobs keep their keys themselves; a replay of an event leaves nothing that could.
"""

from sqlalchemy import Connection, delete, insert, select

from ingest.errors import Conflict
from ingest.store.dialect import lock_names, now
from ingest.store.schema import replay_keys

#: As long as a dedupe key of a sender.
KEPT_MS = 7 * 86_400_000
#: Old ones that are forgotten whenever a new one comes.
_FORGOTTEN = 100


def answered(tx: Connection, key: str, subject_id: str) -> str | None:
    """Return what was answered to a key, and hold the key until the transaction ends.

    Raises Conflict where it was used for another event or delivery.
    """
    lock_names(tx, [f"replay key {key}"])
    row = tx.execute(select(replay_keys).where(replay_keys.c.key == key)).first()
    if row is None:
        return None
    if row.subject_id != subject_id:
        raise Conflict(
            f"the idempotency key {key!r} was used before, for the replay of {row.subject_id}. "
            "Nothing was replayed: use another key."
        )
    return str(row.answer)


def remember(tx: Connection, key: str, subject_id: str, answer: str) -> None:
    """Keep what is answered to a key that ``answered`` did not know."""
    moment = now(tx)
    old = select(replay_keys.c.key).where(replay_keys.c.made_at < moment - KEPT_MS)
    chosen = old.order_by(replay_keys.c.made_at).limit(_FORGOTTEN).with_for_update(skip_locked=True)
    tx.execute(delete(replay_keys).where(replay_keys.c.key.in_(chosen)))
    values = {"key": key, "subject_id": subject_id, "answer": answer, "made_at": moment}
    tx.execute(insert(replay_keys).values(values))
