"""Whatever is sent: answering does not raise, and proves nobody who knows nothing."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.verify import Provider, Request, Secret, load_catalogue
from ingest.verify.handshakes.answering import answer
from ingest.verify.handshakes.reply import LONGEST_ECHO
from ingest.verify.handshakes.shape import Handshake
from tests.examples import EXAMPLES

CATALOGUE = load_catalogue()
ASKING = sorted(slug for slug in CATALOGUE if CATALOGUE[slug].handshakes)
SECRET = Secret("s", b"bm90IHlvdXJzIHRvIGtub3c")
#: Where every handshake that gives 2xx needs a secret, a signature or a token.
GUARDED = sorted(
    slug
    for slug in ASKING
    if all(
        shake.signed
        or any(one.wanted is not None and not one.wanted.optional for one in shake.when)
        for shake in CATALOGUE[slug].handshakes
    )
)
TEXTS = st.text(max_size=30) | st.sampled_from(
    ["subscribe", "c" * LONGEST_ECHO, "a\r\nb", "7f", "1", "\ud800", "../", "<script>"]
)
CERTAIN = st.sampled_from([True] * 9 + [False])  # nearly
BODIES = st.binary(max_size=60) | st.sampled_from([b"", b"[]", b"{}", b"[" * 2_000])


#: Texts that the patterns of the catalogue match.
MATCHING = ["subscribe", "verify", "Verification", "7f" * 12, "12"]


@st.composite
def requests(draw: st.DrawFn, provider: Provider) -> Request:
    """Requests that have the form of one of a provider's handshakes, wholly or nearly."""
    shake = draw(st.sampled_from(provider.handshakes))
    said: dict[str, dict[str, str]] = {"header": {}, "query": {}, "body": {}, "form": {}}
    for one in shake.when:
        atom = draw(st.sampled_from(one.place.atoms))
        if one.kind != "absent" and draw(CERTAIN):
            right = (
                st.sampled_from(MATCHING) if one.kind == "matching" else st.just(one.text or "c")
            )
            text = draw(right) if draw(CERTAIN) else draw(TEXTS)
            said[atom.place][".".join((atom.name, *atom.path)).strip(".")] = text
    said["query"] |= draw(st.dictionaries(st.sampled_from(["token", "timestamp"]), TEXTS))
    said["header"] |= draw(st.dictionaries(st.sampled_from(["authorization", "x"]), TEXTS))
    method = draw(st.sampled_from([*shake.method, "GET", "HEAD", "OPTIONS", "POST", "PUT"]))
    url = f"/in/x?{urlencode(said['query'], errors='replace')}"
    body = draw(BODIES) if not draw(CERTAIN) else _body(shake, said)
    return Request(method, url, tuple(said["header"].items()), body)


def _body(shake: Handshake, said: Mapping[str, Mapping[str, str]]) -> bytes:
    if said["form"]:
        return urlencode(said["form"], errors="replace").encode()
    document: dict[str, object] = {**said["body"]}
    document |= {".".join(atom.path): [] for atom in shake.empty if atom.path}
    return json.dumps(_nested(document)).encode() if document else b""


def _nested(values: Mapping[str, object]) -> object:
    """Build the JSON that dotted paths say; a step 0 makes a list of one."""
    root: dict[str, Any] = {}
    for path, value in values.items():
        *steps, last = path.split(".")
        node = root
        for step in steps:
            node = node.setdefault(step, {})
        node[last] = value
    return _listed(root)


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    made = {name: _listed(inner) for name, inner in node.items()}
    return [made["0"]] if set(made) == {"0"} else made


@given(slug=st.sampled_from(ASKING), data=st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_answering_never_raises_and_says_nothing_dangerous(slug: str, data: st.DataObject) -> None:
    request = data.draw(requests(CATALOGUE[slug]))
    options = dict.fromkeys(CATALOGUE[slug].options, "0" * 43)
    response = answer(CATALOGUE[slug], request, options, [SECRET], 1_760_000_000_000)
    if response is None:
        return
    assert response.status < 300 or response.body == b""
    assert request.method != "HEAD" or response.body == b""
    assert len(response.body) <= 8 * LONGEST_ECHO
    assert ("X-Content-Type-Options", "nosniff") in response.headers
    assert all(value.isascii() and value.isprintable() for _, value in response.headers)
    assert not any("html" in value for _, value in response.headers[:1])


@given(slug=st.sampled_from(GUARDED), data=st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_who_knows_nothing_is_never_answered_2xx(slug: str, data: st.DataObject) -> None:
    request = data.draw(requests(CATALOGUE[slug]))
    for options in ({}, dict.fromkeys(CATALOGUE[slug].options, "not yours to know")):
        for secrets in ([], [SECRET]):
            response = answer(CATALOGUE[slug], request, options, secrets, 1_760_000_000_000)
            assert response is None or response.status >= 400


def test_most_that_claim_something_are_guarded() -> None:
    assert {"meta", "fitbit", "oura", "strava", "slack", "discord", "twitch", "xero"} <= {*GUARDED}
    assert {"line", "viber", "tebex", "adobe_sign", "aws_sns", "wecom"} <= {*GUARDED}
