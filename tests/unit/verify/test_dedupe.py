"""Which two events count as one (design, Dedupe)."""

import hashlib
from itertools import combinations

import pytest

from ingest.verify import Verified, dedupe_key, load_catalogue
from ingest.verify.dedupe import DedupeMode

PROVIDER = load_catalogue()["github"]
BODY = hashlib.sha256(b"body").digest()
OTHER_BODY = hashlib.sha256(b"other").digest()


def _verified(event_id: str | None, *, signed: bool, event_type: str = "push") -> Verified:
    return Verified(event_type, event_id, signed, False, "env:S")


def _key(
    verified: Verified,
    body: bytes = BODY,
    mode: DedupeMode = "provider",
    source: str = "github",
) -> bytes | None:
    return dedupe_key(source, PROVIDER, verified, body, mode)


def test_a_signed_id_counts_alone_whatever_the_body() -> None:
    """The same signed id with another body stays a duplicate: the sender said it is one."""
    signed = _verified("evt_1", signed=True)
    assert _key(signed, BODY) == _key(signed, OTHER_BODY)
    assert _key(signed) != _key(_verified("evt_2", signed=True))


def test_an_unsigned_id_counts_only_together_with_the_body() -> None:
    """Otherwise whoever replays an old body under a new id would hide the real event."""
    unsigned = _verified("guid-1", signed=False)
    assert _key(unsigned, BODY) == _key(unsigned, BODY)
    assert _key(unsigned, BODY) != _key(unsigned, OTHER_BODY)
    assert _key(unsigned, BODY) != _key(_verified("guid-2", signed=False), BODY)


def test_no_id_is_no_duplicate_of_anything() -> None:
    assert _key(_verified(None, signed=False)) is None


def test_a_source_may_tell_events_apart_by_their_bodies() -> None:
    anonymous = _verified(None, signed=False)
    assert _key(anonymous, BODY, "body") == _key(anonymous, BODY, "body")
    assert _key(anonymous, BODY, "body") != _key(anonymous, OTHER_BODY, "body")


def test_dedupe_can_be_off() -> None:
    assert _key(_verified("evt_1", signed=True), mode="off") is None


def test_the_event_type_and_the_secret_are_no_part_of_it() -> None:
    """A redelivery may be signed with the next secret."""
    again = Verified("other", "evt_1", True, True, "env:NEW")
    assert _key(again) == _key(_verified("evt_1", signed=True))


def test_keys_of_different_sources_kinds_and_ids_never_meet() -> None:
    keys = [
        _key(_verified(event_id, signed=signed), body, mode, source)
        for source in ("a", "ab")
        for event_id in ("b", "bc")
        for signed in (True, False)
        for body in (BODY,)
        for mode in ("provider",)
    ]
    keys += [_key(_verified(None, signed=False), BODY, "body", source) for source in ("a", "ab")]
    assert all(key is not None and len(key) == 32 for key in keys)
    assert all(one != other for one, other in combinations(keys, 2))


@pytest.mark.parametrize("event_id", ["größe", "\N{SNOWMAN}", "i" * 255])
def test_any_cleaned_id_makes_a_key(event_id: str) -> None:
    assert _key(_verified(event_id, signed=True)) is not None
