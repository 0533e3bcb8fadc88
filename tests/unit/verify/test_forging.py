"""Nothing that was forged, cut, changed or made up holds, and nothing raises: for every scheme."""

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.verify import Request, Secret, load_catalogue
from ingest.verify.words import Builder, Family
from tests.examples import EXAMPLES
from tests.unit.verify.targets import Target, targets
from tests.unit.verify.test_key_pair_schemes import carries

every_group = pytest.mark.parametrize("group", targets())
#: Characters that could end one signature of a list, or a part of a token, and begin another.
SEPARATORS = str.maketrans("", "", " ,;:&|.=\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0")
ways = st.sampled_from(["flip", "cut", "insert", "replace", "leave out", "body", "secret", "noise"])
pieces = st.sampled_from(
    [
        *("t=1760000000,", "v1=", "v1,", "sha256=", "Basic ", "Bearer ", "0" * 64, "A" * 43 + "="),
        *("eyJhbGciOiJub25lIn0", "[", "{", '"', "&", "=", ";", "é", "\x00", "1760000000"),
    ]
)
texts = st.tuples(pieces, st.text(max_size=24)).map("".join)


def _flipped(text: str, place: int, bits: int) -> str:
    spot = place % len(text)
    return text[:spot] + chr(ord(text[spot]) ^ bits) + text[spot + 1 :]


def _forged(way: str, signature: str, place: int, bits: int, text: str) -> str | None:
    spot = place % len(signature)
    match way:
        case "flip":
            return _flipped(signature, place, bits)
        case "cut":
            return signature[:spot]
        case "insert":
            return signature[:spot] + (text.translate(SEPARATORS) or "x") + signature[spot:]
        case "replace":
            return text
        case _:
            return None


def _same(forged: str | None, signature: str) -> bool:
    """Whether an edit left the signature what it was: case of hex digits, labels beside it."""
    if forged is None:
        return False
    return forged.lower() == signature.lower() or carries(forged) == carries(signature)


def _noise(genuine: Request, text: str, body: bytes) -> Request:
    """A request with all names of a genuine one, and nothing of its values."""
    headers = tuple((name, text) for name, _ in genuine.headers)
    return Request(genuine.method, f"{genuine.url}?{text}", headers, body)


def _body(genuine: bytes, place: int, bits: int, text: bytes) -> bytes:
    spot = place % (len(genuine) + 1)
    changed = (
        genuine[:spot] + text + genuine[spot + (bits & 1) :],
        genuine[:spot],
        text,
        genuine + text,
    )[bits % 4]
    return changed if changed != genuine else genuine + b"0"


@every_group
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    which=st.integers(0, 2**16),
    way=ways,
    place=st.integers(0, 2**12),
    bits=st.integers(1, 127),
    text=texts,
)
def test_nothing_forged_holds(
    group: str, which: int, way: str, place: int, bits: int, text: str
) -> None:
    target = targets()[group][which % len(targets()[group])]
    data = text.encode("utf-8", "surrogatepass")
    genuine, signature = target.genuine()
    if way == "secret" and target.secrets:
        assert not target.takes(genuine, (Secret("s", data),))
    elif way == "noise":
        assert not target.takes(_noise(genuine, text, data))
    elif way == "body":
        changed = replace(genuine, body=_body(genuine.body, place, bits, data))
        assert not (target.takes(changed) and target.whole_body)
    elif signature:
        forged = _forged(way, signature, place, bits, text)
        holds = target.takes(target.forge(lambda _: forged))
        assert not holds or _same(forged, signature)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    texts=st.lists(texts, min_size=4, max_size=4),
    body=st.binary(max_size=60)
    | st.builds(
        lambda value: json.dumps(value).encode(),
        st.dictionaries(st.text(max_size=4), st.text(max_size=9)),
    ),
)
def test_an_entry_that_proves_nothing_never_raises(texts: list[str], body: bytes) -> None:
    for slug in ("none", "strava", "mollie", "salesforce_outbound"):
        headers = (("Content-Type", texts[0]), (texts[1], texts[2]))
        Target(slug, lambda _: Request("POST", "", (), b""), (), whole_body=False).takes(
            Request("POST", f"/in/a?{texts[3]}", headers, body)
        )
        assert slug in load_catalogue()


def test_every_family_and_builder_is_a_target() -> None:
    assert {*get_args(Family), *get_args(Builder)} - {"none"} == set(targets())


def test_every_entry_that_proves_something_is_a_target() -> None:
    catalogue = load_catalogue()
    proving = {slug for slug, entry in catalogue.items() if entry.family != "none"}
    assert {target.slug for group in targets().values() for target in group} >= proving
