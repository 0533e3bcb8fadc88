"""Handshakes in which the provider says the secret that it will sign with."""

import pytest

from ingest.config.sources import learns
from ingest.verify import load_catalogue
from tests.unit.handshakes.asking import Asked

#: The examples of the providers' documentation (handshakes.toml names the pages).
HOOK_SECRET = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"
NOTION_TOKEN = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"


@pytest.mark.parametrize("slug", ["asana", "clio"])
def test_the_secret_is_said_back_in_its_header_and_learned(slug: str) -> None:
    response = Asked(slug, headers={"X-Hook-Secret": HOOK_SECRET}).answer()
    assert response is not None
    assert response.status == 200
    assert dict(response.headers)["X-Hook-Secret"] == HOOK_SECRET
    assert response.learned == HOOK_SECRET.encode()
    assert repr(response).count(HOOK_SECRET) == 1, "in the header, and not as what is learned"


@pytest.mark.parametrize(
    ("slug", "body"),
    [
        ("notion", {"verification_token": NOTION_TOKEN}),
        ("gusto", {"verification_token": NOTION_TOKEN, "webhook_subscription_uuid": "u-1"}),
    ],
)
def test_a_token_in_the_body_is_learned_and_not_said_back(slug: str, body: object) -> None:
    response = Asked(slug, body=body).answer()
    assert response is not None
    assert (response.status, response.body) == (200, b"")
    assert response.learned == NOTION_TOKEN.encode()


@pytest.mark.parametrize(
    "asked",
    [
        Asked("asana", headers={"X-Hook-Secret": "s", "X-Hook-Signature": "x"}),
        Asked("asana", headers={"X-Hook-Secret": ""}),
        Asked("asana", headers={"X-Hook-Secret": "s" * 1_025}),
        Asked("asana", headers={"X-Hook-Secret": "a\r\nb"}),
        Asked("asana", headers={"X-Hook-Secret": "a b"}),
        Asked("asana", "GET", headers={"X-Hook-Secret": "s"}),
        Asked("notion", body={"verification_token": "t", "type": "page.created"}),
        Asked("notion", body={"verification_token": ["t"]}),
        Asked("notion", body={"verification_token": ""}),
        Asked("notion", body=[]),
    ],
)
def test_anything_else_teaches_nothing(asked: Asked) -> None:
    assert asked.answer() is None


def test_only_these_begin_without_a_secret() -> None:
    catalogue = load_catalogue()
    found = {slug for slug in catalogue if learns(catalogue[slug])}
    assert found == {"asana", "clio", "gusto", "notion"}
