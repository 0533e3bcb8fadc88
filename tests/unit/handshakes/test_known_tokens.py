"""Handshakes of a sender that has to know a token which the operator gave both sides."""

import json
from dataclasses import replace

import pytest

from ingest.verify import load_catalogue
from ingest.verify.handshakes.answering import answer
from tests.unit.handshakes.asking import Asked, content_type

META = Asked(
    "meta",
    "GET",
    # https://developers.facebook.com/docs/graph-api/webhooks/getting-started: its example
    {"hub.mode": "subscribe", "hub.verify_token": "meatyhamhock", "hub.challenge": "1158201444"},
    options={"verify_token": "meatyhamhock"},
)
STRAVA = Asked(
    "strava",
    "GET",
    {"hub.mode": "subscribe", "hub.verify_token": "STRAVA", "hub.challenge": "15f7d1a91c1f40f8"},
    options={"verify_token": "STRAVA"},
)
OURA = Asked(
    "oura",
    "GET",
    {"verification_token": "123", "challenge": "k9"},
    options={"verification_token": "123"},
)
FITBIT = Asked("fitbit", "GET", {"verify": "good"}, options={"verify_code": "good"})
TOKENS = [
    (META, "hub.verify_token", 403),
    (STRAVA, "hub.verify_token", 403),
    (OURA, "verification_token", 401),
    (FITBIT, "verify", 404),
]


def test_meta_is_told_its_challenge_as_text() -> None:
    response = META.answer()
    assert response is not None
    assert (response.status, response.body) == (200, b"1158201444")
    assert content_type(response) == "text/plain"


@pytest.mark.parametrize(
    ("asked", "said"),
    [(STRAVA, {"hub.challenge": "15f7d1a91c1f40f8"}), (OURA, {"challenge": "k9"})],
)
def test_others_are_told_theirs_in_a_document(asked: Asked, said: object) -> None:
    response = asked.answer()
    assert response is not None
    assert json.loads(response.body) == said
    assert content_type(response) == "application/json"


def test_fitbit_asks_with_the_right_code_and_with_a_wrong_one() -> None:
    """https://dev.fitbit.com/build/reference/web-api/developer-guide/using-subscriptions/."""
    right, wrong = FITBIT.answer(), FITBIT._replace(query={"verify": "bad"}).answer()
    assert right is not None
    assert (right.status, right.body) == (204, b"")
    assert wrong is not None
    assert wrong.status == 404


@pytest.mark.parametrize(("asked", "name", "status"), TOKENS)
@pytest.mark.parametrize("wrong", ["wrong", "meatyhamhoc", "meatyhamhock2", "MEATYHAMHOCK", "é"])
def test_another_token_is_refused_as_the_provider_expects(
    asked: Asked, name: str, status: int, wrong: str
) -> None:
    response = asked._replace(query={**asked.query, name: wrong}).answer()
    assert response is not None
    assert (response.status, response.body) == (status, b"")
    assert response.refusal is not None


@pytest.mark.parametrize(("asked", "name", "status"), TOKENS)
@pytest.mark.parametrize("options", [{}, {"verify_token": ""}, {"verify_token": 7}])
def test_a_source_without_the_token_knows_nobody(
    asked: Asked, name: str, status: int, options: dict[str, object]
) -> None:
    response = asked._replace(options=options).answer()
    assert response is not None
    assert response.status == status, name


@pytest.mark.parametrize(("asked", "name", "status"), TOKENS)
def test_a_question_without_a_token_is_refused_like_a_wrong_one(
    asked: Asked, name: str, status: int
) -> None:
    query = {key: value for key, value in asked.query.items() if key != name}
    response = asked._replace(query=query).answer()
    assert response is not None
    assert (response.status, response.body) == (status, b"")


def test_a_post_without_the_token_is_an_event() -> None:
    body = {"challenge": "x", "type": "url_verification"}
    options = {"verification_token": "right"}
    assert Asked("lark", body=body, options=options, secrets=[b"key"]).answer() is None


def test_a_token_that_is_said_twice_differently_is_none() -> None:
    request = META.request
    twice = replace(request, url=f"{request.url}&hub.verify_token=wrong")
    meta = load_catalogue()["meta"]
    assert answer(meta, request, META.options, (), None) == META.answer()
    response = answer(meta, twice, META.options, (), None)
    assert response is not None
    assert (response.status, response.body) == (403, b"")


def test_a_hub_may_be_held_to_a_topic_and_a_token() -> None:
    """https://www.w3.org/TR/websub/#hub-verifies-intent: else it is answered 404."""
    query = {"hub.mode": "unsubscribe", "hub.topic": "https://a/1", "hub.challenge": "x"}
    asked = Asked("google_forms", "GET", query)
    held = asked._replace(options={"topic": "https://a/1"})
    other = asked._replace(options={"topic": "https://a/2"})
    said = [one.answer() for one in (asked, held, other)]
    assert [one.status for one in said if one] == [200, 200, 404]
    assert asked._replace(query={**query, "hub.mode": "denied"}).answer() is None


@pytest.mark.parametrize(("token", "status"), [("right", 200), ("wrong", 403)])
def test_lark_is_held_to_its_verification_token(token: str, status: int) -> None:
    body = {"challenge": "ajls384kdjx98XX", "token": token, "type": "url_verification"}
    asked = Asked("lark", body=body, options={"verification_token": "right"}, secrets=[b"key"])
    response = asked.answer()
    assert response is not None
    assert response.status == status
    assert (b"ajls384kdjx98XX" in response.body) is (status == 200)
