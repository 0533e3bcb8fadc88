"""Names whose values are never stored or forwarded in the clear."""

import pytest

from ingest.verify import credential_headers, credential_query, custom_provider, load_catalogue

ALWAYS = {"authorization", "cookie", "proxy-authorization", "x-api-key"}


@pytest.mark.parametrize("slug", sorted(load_catalogue()))
def test_the_usual_credentials_are_hidden_for_every_provider(slug: str) -> None:
    provider = load_catalogue()[slug]
    bare = (
        {name.lower() for name in provider.header}
        if provider.family not in ("token", "basic")
        else set()
    )
    assert credential_headers(provider) >= ALWAYS - bare


def test_a_signature_is_no_credential() -> None:
    """It opens nothing but the request that it came with, and is needed to verify that again."""
    assert "x-hub-signature-256" not in credential_headers(load_catalogue()["github"])


def test_a_token_is_one_wherever_it_stands() -> None:
    header = custom_provider("a", {"family": "token", "header": "X-Gitlab-Token"})
    query = custom_provider("b", {"family": "token", "signature": "query:Secret"})
    assert credential_headers(header) == ALWAYS | {"x-gitlab-token"}
    assert credential_query(query) == {"Secret"}


def test_so_is_a_web_token_that_is_bound_to_no_body() -> None:
    """Zoho's opens any request until it expires; TrueLayer's and Netlify's prove the body."""
    catalogue = load_catalogue()
    assert "x-zdesk-jwt" in credential_headers(catalogue["zoho"])
    assert "tl-signature" not in credential_headers(catalogue["truelayer"])
    assert "x-webhook-signature" not in credential_headers(catalogue["netlify"])


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
