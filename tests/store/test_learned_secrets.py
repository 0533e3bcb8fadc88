"""Secrets from handshakes: who may teach one is decided by the database."""

import threading

import pytest

from ingest.credentials import CredentialKey
from ingest.errors import NotFound
from ingest.learning import LearnedSecret, Lesson
from ingest.store import Database
from ingest.store.learned_secrets import (
    LOOKED_AT,
    last_uses,
    learn,
    live,
    open_sources,
    open_window,
    retire,
)
from ingest.vault import Vault
from tests.store.making import accepted, arrival, execute, new_id, now_ms, rows

VAULT = Vault(CredentialKey(b"k" * 32))
VALUE = b"b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"  # Asana's own example


def lesson(value: bytes = VALUE, *, source: str = "asana", waiting: bool = True) -> Lesson:
    return Lesson(VAULT.lock(source, f"learned:{new_id()}", value, now_ms()), waiting)


def values(database: Database, source: str = "asana") -> list[bytes]:
    return [secret.value for secret in VAULT.by_source(live(database)).get(source, ())]


def test_a_source_without_a_secret_learns_one_and_then_no_other(database: Database) -> None:
    assert learn(database, lesson())
    assert not learn(database, lesson(b"of an attacker"))
    assert learn(database, lesson(b"of another source", source="notion"))
    assert values(database) == [VALUE]


def test_a_source_with_a_secret_of_its_file_does_not_learn(database: Database) -> None:
    assert not learn(database, lesson(waiting=False))
    assert values(database) == []


def test_an_open_window_lets_in_one(database: Database) -> None:
    learn(database, lesson())
    open_window(database, "asana", 600_000)
    assert open_sources(database) == ["asana"]
    assert not learn(database, lesson(source="notion", waiting=False)), "it is asana's"
    assert learn(database, lesson(b"second"))
    assert not learn(database, lesson(b"third"))
    assert open_sources(database) == []
    assert values(database) == [VALUE, b"second"]


def test_a_window_closes_by_itself(database: Database) -> None:
    learn(database, lesson())
    until = open_window(database, "asana", 600_000)
    assert abs(until - now_ms() - 600_000) < 10_000
    execute(database, "UPDATE learning_windows SET open_until = :past", past=now_ms() - 1)
    assert not learn(database, lesson(b"second"))


def test_of_two_that_come_at_once_one_is_learned(database: Database) -> None:
    """The genuine one and an attacker's, at two receivers; nobody may slip in behind the first."""
    taught: list[bool] = []
    start = threading.Barrier(4)

    def teach(number: int) -> None:
        start.wait()
        taught.append(learn(database, lesson(b"%d" % number)))

    threads = [threading.Thread(target=teach, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taught) == [False, False, False, True]
    assert len(values(database)) == 1


def test_what_is_stored_tells_nothing_and_cannot_be_moved(database: Database) -> None:
    learn(database, lesson())
    ((stored,),) = rows(database, "SELECT value_encrypted FROM learned_secrets")
    assert VALUE not in bytes(stored)
    assert Vault(CredentialKey(b"x" * 32)).by_source(live(database)) == {}
    execute(database, "UPDATE learned_secrets SET source = 'notion'")
    assert VAULT.by_source(live(database)) == {}


def test_a_changed_value_is_no_secret() -> None:
    sealed = VAULT.lock("asana", "learned:1", VALUE, 0)
    for place in range(len(sealed.value_encrypted)):
        changed = bytearray(sealed.value_encrypted)
        changed[place] ^= 1
        assert VAULT.unlock(sealed._replace(value_encrypted=bytes(changed))) is None
    assert VAULT.unlock(LearnedSecret("asana", "learned:1", b"", 0)) is None


def test_a_retired_secret_is_out_of_force_and_its_source_learns_again(database: Database) -> None:
    learn(database, lesson())
    (secret,) = live(database)
    retire(database, "asana", secret.name)
    assert live(database) == []
    with pytest.raises(NotFound):
        retire(database, "asana", secret.name)
    assert learn(database, lesson(b"the next"))


def test_the_last_use_of_each_secret_is_found_among_the_newest_events(database: Database) -> None:
    old = arrival(secret_name="env:OLD", received_at=now_ms() - 50_000)
    new = [arrival(secret_name="env:NEW") for _ in range(3)]
    accepted(database, old, *new, arrival(source="open", secret_name=None))
    found = last_uses(database, ["github", "open", "nobody"])
    assert found["github"]["env:OLD"].last_at == old.received_at
    assert found["github"]["env:NEW"].events == 3
    assert (found["open"], found["nobody"]) == ({}, {})
    assert LOOKED_AT < 100_000, "one look must not read a whole year"
