"""Every provider that signs with a shared secret, held against its formula and its flaws.

The requests are made by ``formulas.py``, which knows nothing of the catalogue.
"""

import base64
from typing import Any

import pytest

from ingest.verify import load_catalogue
from ingest.verify.lines import verify_line
from tests.unit.verify.formulas import BODY, NOW, OTHER_KEY, Formula, read_formulas

FORMULAS = read_formulas()
#: Bodies that a careless reader would change before it looks at the signature.
BODIES = {
    "JSON with more than ASCII": BODY,
    "nothing": b"",
    "any bytes": bytes(range(256)),
    "a form": b"a=1&b=%C3%A9+x&payload=%7B%22a%22%3A+1%7D",
    "lines of a batch": b'{"a":1}\r\n{"a":2}\r\n',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "what looks like a template": b"{t}{url}{sig}",
}
#: Families that a formula cannot tell: keys in pairs, tokens, and what proves nothing.
_OTHERWISE = ("ed25519", "ecdsa", "rsa", "jwt", "token", "basic", "none")

each = pytest.mark.parametrize("formula", FORMULAS.values(), ids=list(FORMULAS))
stamped = pytest.mark.parametrize(
    "formula",
    [formula for formula in FORMULAS.values() if formula.stamp],
    ids=[slug for slug, formula in FORMULAS.items() if formula.stamp],
)


def _valid(line: dict[str, Any], **changed: object) -> bool:
    said = verify_line({**line, **changed}, load_catalogue())["valid"]
    assert isinstance(said, bool)
    return said


def _with_signature(formula: Formula, line: dict[str, Any], value: str | None) -> dict[str, Any]:
    headers = {**line["headers"], formula.signature: value}
    return {**line, "headers": {name: text for name, text in headers.items() if text is not None}}


def test_every_shared_secret_that_signs_by_a_template_has_a_formula() -> None:
    """Builders have senders of their own, beside this file and in ``builders/``."""
    signed = {
        slug
        for slug, provider in load_catalogue().items()
        if provider.family not in _OTHERWISE and provider.builder is None and provider.covers_body
    }
    elsewhere = {"cloudinary", "hubspot_v1", "hubspot_v2", "lark", "moralis", "sellsy"}  # a hash
    elsewhere |= {"linear", "pusher", "toast", "tiktok_shop", "pandadoc"}  # below
    assert signed - FORMULAS.keys() == elsewhere


@each
def test_a_genuine_request_is_taken_whatever_its_body(formula: Formula) -> None:
    refused = [name for name, body in BODIES.items() if not _valid(formula.line(body))]
    assert refused == []


@each
def test_the_names_of_headers_have_no_case(formula: Formula) -> None:
    line = formula.line()
    for spelled in (str.upper, str.lower, str.title):
        headers = {spelled(name): value for name, value in line["headers"].items()}
        assert _valid(line, headers=headers)


@each
def test_another_body_is_refused(formula: Formula) -> None:
    line = formula.line()
    for body in (BODY + b" ", BODY[:-1], BODY.replace(b"10.50", b"10.51"), b"", b"{}"):
        assert not _valid(line, body=base64.b64encode(body).decode())


@each
def test_another_secret_is_refused_and_so_is_none(formula: Formula) -> None:
    line = formula.line()
    for secret in (formula.secret(OTHER_KEY), formula.secret()[:-2], "", " \t", "whsec_"):
        assert not _valid(line, secret=secret)
    del line["secret"]
    assert not _valid(line)
    assert not _valid(line, secrets=[])


@each
def test_any_of_several_secrets_will_do(formula: Formula) -> None:
    line = formula.line()
    own = line.pop("secret")
    assert _valid(line, secrets=[formula.secret(OTHER_KEY), own])
    assert _valid(line, secrets=[own, formula.secret(OTHER_KEY)])


@each
def test_a_signature_that_is_missing_cut_or_of_another_message_is_refused(
    formula: Formula,
) -> None:
    line = formula.line()
    own = line["headers"][formula.signature]
    other = formula.line(b'{"other":"message"}')["headers"][formula.signature]
    for value in (None, "", " ", own[:-1], own[1:], own + "0", other, "garbage", "=", ",", "v1="):
        assert not _valid(_with_signature(formula, line, value))


@each
def test_a_signature_under_another_digest_is_refused(formula: Formula) -> None:
    """Whoever knows a digest of one kind must not get by with it where another is asked for."""
    for digest in {"md5", "sha1", "sha256", "sha512"} - {formula.digest}:
        assert not _valid(formula.under(digest).line())


@stamped
def test_a_time_outside_of_the_tolerance_is_refused_and_inside_it_is_not(
    formula: Formula,
) -> None:
    within = load_catalogue()[formula.slug].tolerance_seconds
    for edge in (-within + 1, 0, within - 1):
        assert _valid(formula.line(sent_at=NOW + edge))
    for beyond in (-within - 2, within + 2):
        assert not _valid(formula.line(sent_at=NOW + beyond))


@each
def test_without_a_clock_or_a_documented_tolerance_old_requests_are_taken(
    formula: Formula,
) -> None:
    old = formula.line(sent_at=NOW - 10_000_000)
    assert _valid(old, now=None)
    assert formula.stamp or _valid(old)


@stamped
def test_a_time_that_was_changed_after_signing_is_refused(formula: Formula) -> None:
    line, later = formula.line(), formula.line(sent_at=NOW + 1)
    for name, value in later["headers"].items():
        if name != formula.signature:
            assert value == line["headers"][name] or not _valid(
                line, headers={**line["headers"], name: value}
            )
