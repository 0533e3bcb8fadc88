"""Not one entry of the catalogue goes untried, and it is known by what it is tried."""

from collections.abc import Mapping

from ingest.verify import load_catalogue
from tests.unit.verify.builders.judging import Sent
from tests.unit.verify.builders.test_senders import SENDERS as BUILT
from tests.unit.verify.entries.credentials import FORMS, UNSIGNED
from tests.unit.verify.entries.digests import FACTS
from tests.unit.verify.genuine import SENDERS as FIRST
from tests.unit.verify.key_pair_senders import KEY_PAIR_SENDERS
from tests.unit.verify.token_senders import TOKEN_SENDERS

#: Whose senders, none of them ours, make the messages of an entry.
TRIED: Mapping[str, frozenset[str]] = {
    "test_matrix": frozenset(FIRST),
    "test_digest_entries": frozenset(FACTS),
    "test_senders": frozenset(BUILT),
    "test_key_pair_schemes": frozenset(KEY_PAIR_SENDERS),
    "test_token_schemes": frozenset(TOKEN_SENDERS),
    "test_apple_chain": frozenset({"apple_assn"}),
}


def test_no_entry_that_signs_goes_untried() -> None:
    tried = frozenset().union(*TRIED.values())
    signing = {slug for slug, each in load_catalogue().items() if each.family not in _BEARING}
    assert signing - tried == set()
    assert tried - set(load_catalogue()) == {"acme"}, "a sender of an entry that is gone"


def test_entries_that_sign_nothing_are_counted_apart() -> None:
    families = {slug: each.family for slug, each in load_catalogue().items()}
    bearing = {slug for slug, family in families.items() if family in ("token", "basic")}
    assert bearing == set(FORMS)
    assert {slug for slug, family in families.items() if family == "none"} == UNSIGNED


def test_an_entry_that_signs_nothing_holds_whatever_comes() -> None:
    """So that nobody takes them for proven: their configuration has to say ``unproved``."""
    for slug in UNSIGNED:
        assert Sent(slug, b"anything", secret="").holds()


_BEARING = ("token", "basic", "none")
