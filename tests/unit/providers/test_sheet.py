"""The sheet says of a provider what its entry says, in words."""

from typing import get_args

import pytest

from ingest.providers import wording
from ingest.providers.sheet import PLACEHOLDER, Place, sheet
from ingest.verify import custom_provider, load_catalogue
from ingest.verify.words import Algorithm, Builder, Encoding, Family, SecretFormat

CATALOGUE = load_catalogue()


def test_github_is_told_as_it_is() -> None:
    said = sheet(CATALOGUE["github"])
    assert said.address == f"{PLACEHOLDER}/in/github"
    assert said.algorithm == "HMAC-SHA256, in hex"
    assert said.signature == "X-Hub-Signature-256, behind 'sha256='"
    assert said.signed == "the raw body"
    assert said.timestamp is None
    assert said.tolerance_seconds is None
    assert said.event_id == Place("header:x-github-delivery", "no")
    assert said.event_type is not None
    assert said.event_type.signed == "in part", "the action is in the body, the event in a header"
    assert said.dedupe == "by the id and the body together, because the id is not signed"
    assert (said.deadline_seconds, said.retry_window_seconds) == (10, 259_200)
    assert said.success == '202 {"id": ..., "status": "accepted"}'


def test_what_is_not_documented_is_not_made_up() -> None:
    """The entry's own default is what we do, not what the provider says."""
    ably = CATALOGUE["ably"]
    assert ably.retry_window_seconds == 259_200
    said = sheet(ably)
    assert said.deadline_seconds is None
    assert said.retry_window_seconds is None


PRIMER = "X-Signature-Primary and X-Signature-Secondary, any of them may hold"
BOX = "BOX-SIGNATURE-PRIMARY and BOX-SIGNATURE-SECONDARY, one for each secret, in their order"
SHAREPOINT = "body:value.0.clientState, and so in every other item of the list"
WHSEC = "whsec_ and Base64, decoded; the prefix may be left out"
PAYPAL = (
    "text, used as it is shown; public keys are fetched from api.paypal.com, "
    "api.sandbox.paypal.com, api-m.paypal.com, api-m.sandbox.paypal.com and kept"
)
SHARED = "by the id and the body together, because several events may have the same id"
FLUTTERWAVE_V4 = "flutterwave-signature: HMAC-SHA256, in Base64, of the raw body"


@pytest.mark.parametrize(
    ("slug", "word", "expected"),
    [
        ("stripe", "signed", "{ts}.{body}"),
        ("stripe", "signature", "Stripe-Signature, as v1 of its pairs"),
        ("stripe", "dedupe", "by the signed id alone"),
        ("asana", "secret", "said by the provider in a handshake, and learned"),
        ("postmark", "secret", "user:password"),
        ("wise", "secret", "none is needed: the provider's public key is known"),
        ("discord", "secret", "a public key (hex) of the provider"),
        ("discord", "send", "hookkeeper send discord --new-key"),
        ("github", "send", "hookkeeper send github"),
        ("apple_assn", "send", None),
        ("stripe", "also", ()),
        ("primer", "signature", PRIMER),
        ("box", "signature", BOX),
        ("docusign", "signature", "X-DocuSign-Signature-*, one a key, numbered"),
        ("sharepoint", "signature", SHAREPOINT),
        ("supabase", "secret", f"{WHSEC}; several may stand there, '|' between them"),
        ("polar", "secret", f"text, used as it is shown; or {WHSEC}"),
        ("paypal", "secret", PAYPAL),
        ("courier", "dedupe", SHARED),
        ("flutterwave", "also", (FLUTTERWAVE_V4,)),
        ("monday", "signed", "the token alone: nothing in it proves the body"),
        ("netlify", "signed", "the token, and the body by the digest in its claim sha256"),
        ("mollie", "signed", "nothing: whoever knows the address can send events"),
        ("gitlab", "signed", "nothing: whoever knows the secret is believed"),
        ("mailgun", "signed", "the time and a token that serves once; nothing of the event"),
        ("xero", "success", "200 without a body"),
        ("adyen", "success", "200 [accepted]"),
        ("highlevel", "failure_status", 429),
        ("wix", "deadline_seconds", 1.25),
    ],
)  # fmt: skip
def test_others_are_told_as_they_are(slug: str, word: str, expected: object) -> None:
    assert getattr(sheet(CATALOGUE[slug]), word) == expected


def test_an_algorithm_that_the_request_chooses_is_said() -> None:
    said = sheet(CATALOGUE["sumsub"]).algorithm
    assert said == "HMAC-SHA1 or SHA256 or SHA512 as header:x-payload-digest-alg says, in hex"


def test_where_published_keys_are_fetched_from_is_said() -> None:
    said = sheet(CATALOGUE["falai"]).secret
    assert said == "none is needed: public keys are fetched from rest.alpha.fal.ai and kept"


def test_handshakes_are_sentences() -> None:
    (twitter,) = sheet(CATALOGUE["x_twitter"]).handshakes
    assert twitter == (
        "GET with query:crc_token of the right form: answered 200, JSON "
        '{"response_token": "sha256={hmac_sha256_base64(query:crc_token)}"}'
    )
    (meta,) = sheet(CATALOGUE["meta"]).handshakes
    assert "the query:hub.verify_token that the source has" in meta
    (gusto,) = sheet(CATALOGUE["gusto"]).handshakes
    assert "no names but verification_token, webhook_subscription_uuid" in gusto
    (sns,) = sheet(CATALOGUE["aws_sns"]).handshakes
    assert sns.endswith("and the address in body:SubscribeURL is fetched")
    asana, _heartbeat = sheet(CATALOGUE["asana"]).handshakes
    assert "no header:x-hook-signature" in asana
    assert asana.endswith("and the secret in header:x-hook-secret is learned")


def test_every_provider_is_told_without_a_gap() -> None:
    for slug, each in CATALOGUE.items():
        said = sheet(each)
        assert said.evidence_means
        assert bool(said.signature) == (each.family != "none"), slug
        assert said.signed
        assert said.secret
        assert len(said.handshakes) == len(each.handshakes)
        assert all("answered 2" in one for one in said.handshakes), slug


def test_every_closed_word_has_its_words() -> None:
    """A family or builder that is added without them would be a KeyError for the reader."""
    assert wording.FAMILIES.keys() == set(get_args(Family))
    assert wording.BUILT.keys() == set(get_args(Builder))
    assert wording.ALGORITHMS.keys() == set(get_args(Algorithm))
    assert wording.ENCODINGS.keys() == set(get_args(Encoding))
    assert wording.SECRETS.keys() >= set(get_args(SecretFormat))


def test_a_users_own_scheme_is_told_by_the_same_words() -> None:
    own = custom_provider("acme", {"family": "hmac", "header": "X-Sig", "content": "{ts}\n{body}",
                                   "timestamp": "header:X-Time"})  # fmt: skip
    said = sheet(own)
    assert said.evidence_means == "described in hookkeeper.toml"
    assert said.signed == "{ts}\\n{body}"
