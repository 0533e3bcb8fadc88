"""Names whose values are never stored or forwarded in the clear."""

import pytest

from ingest.verify import credential_headers, credential_query, custom_provider, load_catalogue

ALWAYS = {"authorization", "cookie", "proxy-authorization", "x-api-key"}


@pytest.mark.parametrize("slug", sorted(load_catalogue()))
def test_the_usual_credentials_are_hidden_for_every_provider(slug: str) -> None:
    provider = load_catalogue()[slug]
    assert credential_headers(provider) == ALWAYS
    assert credential_query(provider) == frozenset()


def test_a_signature_is_no_credential() -> None:
    """It opens nothing but the request that it came with, and is needed to verify that again."""
    assert "x-hub-signature-256" not in credential_headers(load_catalogue()["github"])


def test_a_token_is_one_wherever_it_stands() -> None:
    header = custom_provider("a", {"family": "token", "header": "X-Gitlab-Token"})
    query = custom_provider("b", {"family": "token", "query": "Secret"})
    assert credential_headers(header) == ALWAYS | {"x-gitlab-token"}
    assert credential_query(query) == {"Secret"}


def test_an_entry_may_name_more() -> None:
    provider = custom_provider(
        "acme",
        {
            "family": "hmac",
            "header": "X-Signature",
            "credential_headers": ["X-Session"],
            "credential_query": ["key"],
        },
    )
    assert credential_headers(provider) == ALWAYS | {"x-session"}
    assert credential_query(provider) == {"key"}
