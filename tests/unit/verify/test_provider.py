"""The words of a catalogue entry: what they may say, and what is refused."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from ingest.verify import Provider, custom_provider, load_catalogue
from ingest.verify.builders import BUILDERS
from ingest.verify.catalogue import parse_catalogue
from ingest.verify.words import Builder

HMAC = {"family": "hmac", "header": "X-Signature"}


def _refused(scheme: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refusal:
        custom_provider("acme", scheme)
    return str(refusal.value)


def test_the_catalogue_holds_four_hundred_providers() -> None:
    catalogue = load_catalogue()
    assert len(catalogue) >= 400
    assert {"github", "none", "shopify", "slack", "standardwebhooks", "stripe"} <= set(catalogue)


def test_every_entry_links_its_documentation_and_is_sorted() -> None:
    catalogue = load_catalogue()
    assert list(catalogue) == sorted(catalogue)
    assert all(entry.docs and entry.name for entry in catalogue.values())
    assert all(slug == entry.slug for slug, entry in catalogue.items())


def test_the_catalogue_is_parsed_once_and_cannot_be_changed() -> None:
    catalogue = load_catalogue()
    assert load_catalogue() is catalogue
    with pytest.raises(TypeError):
        catalogue["acme"] = catalogue["github"]  # type: ignore[index]  # the point of the test
    with pytest.raises(ValidationError):
        catalogue["github"].prefix = ""  # type: ignore[misc]  # the point of the test


def test_an_entry_of_the_catalogue_and_a_users_scheme_are_read_by_the_same_words() -> None:
    row = '[acme]\nfamily = "hmac"\nheader = "X-Signature"\ncontent = "{ts}.{body}"\n'
    row += 'timestamp = "header:X-Time"\nevent_type = ["body:type", "header:X-Type"]\n'
    listed = parse_catalogue(row)["acme"]
    scheme = {
        **HMAC,
        "content": "{ts}.{body}",
        "timestamp": "header:X-Time",
        "event_type": ["body:type", "header:X-Type"],
    }
    described = custom_provider("acme", scheme)
    assert listed.model_copy(update={"name": "acme"}) == described


def test_standard_webhooks_needs_no_more_than_its_name() -> None:
    provider = custom_provider("acme", {"family": "standard_webhooks"})
    assert provider.header == ("webhook-signature", "svix-signature")
    assert provider.tolerance_seconds == 300
    assert provider.secret_format == "whsec"


def test_standard_webhooks_under_other_header_names_is_three_words() -> None:
    provider = custom_provider(
        "finch",
        {
            "family": "standard_webhooks",
            "header": "Finch-Signature",
            "timestamp": "header:Finch-Timestamp",
            "event_id": "header:Finch-Event-Id",
        },
    )
    assert provider.header == ("Finch-Signature",)
    assert provider.encoding == "base64"


@pytest.mark.parametrize(
    ("scheme", "complaint"),
    [
        ({"family": "hmac"}, "header is missing"),
        ({**HMAC, "algorythm": "sha1"}, "algorythm"),
        ({**HMAC, "algorithm": "md4"}, "'sha1', 'sha256'"),
        ({**HMAC, "algorithm": "none"}, "'sha1', 'sha256'"),
        ({**HMAC, "encoding": "base32"}, "'hex'"),
        ({"family": "sms"}, "'hmac'"),
        ({"family": "rsa"}, "header is missing"),
        ({"family": "hash", "header": "S"}, "without {secret}"),
        ({"family": "jwt", "header": "S"}, "token_algorithms is missing"),
        ({**HMAC, "builder": "acme"}, "'adyen'"),
        ({**HMAC, "signature": "query:sig"}, "keep one"),
        ({**HMAC, "key_format": "pem"}, "means nothing"),
        ({**HMAC, "algorithms": ["sha1"]}, "algorithm_place goes with"),
        ({**HMAC, "algorithm": "keccak256"}, 'belongs to family = "hash"'),
        ({**HMAC, "content": "{ts}"}, "{body}"),
        ({**HMAC, "content": "static"}, "{body}"),
        ({**HMAC, "content": "{body}{nonce}"}, "no atom"),
        ({**HMAC, "content": "{body"}, "do not pair up"),
        ({**HMAC, "content": "{ts}.{body}"}, "timestamp must say where"),
        ({**HMAC, "content": "{id}.{body}"}, "event_id must say where"),
        ({**HMAC, "timestamp": "header:X-Time"}, "not signed"),
        ({**HMAC, "tolerance_seconds": 60}, "needs timestamp"),
        ({**HMAC, "timestamp": "body:time", "tolerance_seconds": 0}, "greater than 0"),
        ({**HMAC, "timestamp": "body:time", "tolerance_seconds": True}, "not true or false"),
        ({**HMAC, "carrier": "pairs"}, "signature_key"),
        ({**HMAC, "signature_key": "v1"}, "signature_key"),
        (
            {**HMAC, "content": "{ts}.{body}", "timestamp": "signature:t"},
            'needs carrier = "pairs"',
        ),
        ({**HMAC, "event_type": "type"}, "names no place"),
        ({**HMAC, "event_id": "{body:id}[-{header:X-Part}]"}, "mixes signed and unsigned"),
        ({**HMAC, "event_id": ["header:X-Id", "body:id"]}, "mixes signed and unsigned"),
        ({**HMAC, "failure_status": 200}, "greater than or equal to 400"),
        ({**HMAC, "success_status": 404}, "less than or equal to 299"),
        ({**HMAC, "retries": 2, "retry_waits_seconds": [60, 60]}, "keep one of them"),
        ({**HMAC, "retry_waits_seconds": [3600], "retry_window_seconds": 600}, "take 3600 s"),
        ({"family": "token"}, "name one of them"),
        ({"family": "token", "header": "A", "signature": "query:b"}, "name one of them"),
        ({"family": "token", "header": "A", "algorithm": "sha1"}, "means nothing"),
        ({"family": "basic", "signature": "query:a"}, "signature means nothing"),
        ({"family": "none", "header": "A"}, "checks nothing"),
        ({"family": "none", "timestamp": "header:A"}, "means nothing"),
    ],
)
def test_a_scheme_that_proves_nothing_or_cannot_be_read_is_refused(
    scheme: dict[str, Any], complaint: str
) -> None:
    assert complaint in _refused(scheme)


def test_a_timestamp_inside_the_signed_body_needs_no_place_in_the_template() -> None:
    """Linear signs a time in its body."""
    scheme = {**HMAC, "timestamp": "body:webhookTimestamp", "timestamp_format": "ms"}
    assert isinstance(custom_provider("linear", scheme), Provider)


def test_every_builder_that_may_be_named_is_there() -> None:
    assert set(BUILDERS) == set(get_args(Builder))
