"""A request may say where a key is, but only inside what the entry pins."""

import json

import pytest

from ingest.verify.key_set import KeySet, is_pinned, needs_key, read_document
from ingest.verify.request import Reason, Rejected

SNS = ["sns.*.amazonaws.com", "sns.*.amazonaws.com.cn"]
PEM = "/*.pem"


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123abcd.pem",
        "https://SNS.us-east-1.amazonaws.com:443/a.pem",
    ],
)
def test_the_providers_own_addresses_are_followed(url: str) -> None:
    assert is_pinned(url, SNS, PEM)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
        "https://evil.example/https://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://sns.evil.example\\.amazonaws.com/a.pem",
        "https://sns.a.b.amazonaws.com/a.pem",
        "https://sns..amazonaws.com/a.pem",
        "https://xsns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem?x=1",
        "https://sns.us-east-1.amazonaws.com/?Action=GetSomething&a=/b.pem",
        "https://sns.us-east-1.amazonaws.com/../a.pem",
        "https://sns.us-east-1.amazonaws.com/b/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem#b",
        "https://sns.us-east-1.amazonaws.com/a.pem\n",
        "https://sns.us-east-1.amazonaws.com/a.pem.",
        "https://sns.us-east-1.amazonaws.com",
        "https://my-bucket.s3.amazonaws.com/a.pem",
        "https:///a.pem",
        "sns.us-east-1.amazonaws.com/a.pem",
        "",
    ],
)
def test_no_other_address_is(url: str) -> None:
    assert not is_pinned(url, SNS, PEM)


def test_a_port_counts_only_where_the_pin_has_it() -> None:
    assert is_pinned("https://127.0.0.1:4443/x", ["127.0.0.1:4443"])
    assert not is_pinned("https://127.0.0.1:4444/x", ["127.0.0.1:4443"])


def test_a_missing_key_is_a_refusal_that_says_what_to_fetch() -> None:
    needs = needs_key("https://keys.example/jwks", "k1")
    assert isinstance(needs, Rejected)
    assert needs.reason is Reason.KEY_UNAVAILABLE
    assert (needs.url, needs.key_id, needs.document_known) == (
        "https://keys.example/jwks",
        "k1",
        False,
    )


def test_keys_that_were_given_answer_for_every_address_and_others_only_for_their_own() -> None:
    spki = b"MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="
    keys = read_document(spki)
    assert len(keys) == 1
    fetched = KeySet({"https://a.example/": keys})
    assert fetched.at("https://a.example/") == keys
    assert fetched.at("https://b.example/") is None
    assert KeySet(anywhere=keys).at("https://b.example/") == keys


def test_a_field_of_a_larger_document_is_found_or_there_is_no_key() -> None:
    spki = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="
    document = json.dumps({"config": {"key": spki, "number": 7}}).encode()
    assert len(read_document(document, "config.key")) == 1
    for field in ("config", "config.number", "config.key.deeper", "nothing"):
        assert read_document(document, field) == ()
    assert read_document(b"<html>", "config.key") == ()
