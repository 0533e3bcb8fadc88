"""Published constants, and signatures that official SDKs made; ours only judges them."""

import pytest

from tests.unit.verify.builders.judging import NOW, Sent, base64ed, hashed, hexed
from tests.unit.verify.builders.published import PUBLISHED

#: box-node-sdk and boxsdk 10.18, tests of webhook validation.
BOX = Sent(
    "box",
    b'{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED",'
    b'"source":{"id":"1234567890","type":"file","name":"Test.txt"}}',
    {
        "BOX-DELIVERY-TIMESTAMP": "2020-01-01T00:00:00-07:00",
        "BOX-SIGNATURE-VERSION": "1",
        "BOX-SIGNATURE-ALGORITHM": "HmacSHA256",
        "BOX-SIGNATURE-PRIMARY": "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
        "BOX-SIGNATURE-SECONDARY": "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
    },
    secret=["SamplePrimaryKey", "SampleSecondaryKey"],
    now=1_577_862_000,
)
#: The same SDK's ``compute_webhook_signature`` with ``escape_body=True``, primary key.
BOX_ESCAPED = BOX.but(body='{"name":"Zoë ✓ \U0001d4b3\\\\n \\/ x\n"}'.encode()).with_header(
    "BOX-SIGNATURE-PRIMARY", "dNM5wCYgcCPRKsXeAHdHdEsFClEj2TdgHSN9wJ82rCg="
)

#: @contentful/node-apps-toolkit 3.16 ``signRequest``; by path and query.
CONTENTFUL = {
    "/in/x": "c5ab6ed8d1eb47f7b657df813683b838ef939bcdc843214b89f21c62f7bb8069",
    "/in/x?": "c5ab6ed8d1eb47f7b657df813683b838ef939bcdc843214b89f21c62f7bb8069",
    "/in/x?a=1&b=2": "4205a461f8446a8d03e78abb396363ad86946b0429fb63fc7fe2fd041c42e15a",
    "/in/a%20b?q=%C3%A9+%20'(x)*!": (
        "27f02d7be917a3873ad213292a8f4993d6c4415c2343704ce5020483c318f061"
    ),
    "/in/~-_.!*;,@&=$?x=;,/:@$#": (
        "a9995eb883c1eceeb95dcf0cf75b8fcc1ae8e98cf52150dea4183a7bd55d21cd"
    ),
}
CONTENTFUL_HEADERS = {
    "X-Contentful-Topic": "ContentManagement.Entry.publish ",
    "Content-Type": "application/json",
    "x-contentful-signed-headers": (
        "content-type,x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic"
    ),
    "x-contentful-timestamp": "1760000000000",
}

#: @hygraph/utils 1.2 ``generateWebhookSignature``.
HYGRAPH = Sent(
    "hygraph",
    '{"a":"é\\n\\u2028 \\"q\\" / \u2028 \u007f \U0001d4b3"}\n'.encode(),
    {
        "gcms-signature": (
            "sign=xzgNa7QAnA08C8O1INpgIFhGN9ZaCVR7QdyA/Tmf004=, env=dév, t=1760000000000"
        )
    },
    secret="s3",
)

#: NOWPayments' documented Node.js example, run by Node.js 20.
NOWPAYMENTS = Sent(
    "nowpayments",
    (
        '{"payment_id":123456789,"parent_payment_id":987654321,"invoice_id":null,'
        '"payment_status":"finished","pay_address":"address","payin_extra_id":null,'
        '"price_amount":1,"price_currency":"usd","pay_amount":15.50,"actually_paid":1e-7,'
        '"fee":{"currency":"btc","depositFee":0.09853637216235617,"withdrawalFee":0,'
        '"serviceFee":0},"z":"é/\\u00e9"}'
    ).encode(),
    {
        "x-nowpayments-sig": (
            "e19dd9195e36031a1cac7dde3b2b0d56dbcfb5ad25ad78a0aa84cf112d4fc6a6"
            "b66d5dde079487357d2c1cbd08a6e1c4e431a4b468985c07333083f0698fa39a"
        )
    },
    secret="k",
)

#: PayPro Global's documentation, "Webhook security": the text whose SHA-256 it sends.
PAYPRO = "12345Processed9.99test@payproglobal.comqwerty1OrderCharged"


def test_boxs_published_example_holds_with_either_key() -> None:
    assert BOX.holds()
    assert BOX.with_header("BOX-SIGNATURE-SECONDARY", None).holds()
    assert BOX.with_header("BOX-SIGNATURE-PRIMARY", None).holds()
    assert BOX_ESCAPED.holds()


def test_each_of_boxs_keys_counts_with_its_own_header_only() -> None:
    assert not BOX.but(secret=["SampleSecondaryKey", "SamplePrimaryKey"]).holds()
    alone = BOX.with_header("BOX-SIGNATURE-PRIMARY", None)
    assert not alone.but(secret=["SampleSecondaryKey"]).holds()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOX-SIGNATURE-VERSION", "2"),
        ("BOX-SIGNATURE-VERSION", None),
        ("BOX-SIGNATURE-ALGORITHM", "HmacSHA1"),
        ("BOX-DELIVERY-TIMESTAMP", "2020-01-01T00:00:01-07:00"),
        ("BOX-DELIVERY-TIMESTAMP", None),
    ],
)
def test_another_version_algorithm_or_time_of_box_is_refused(name: str, value: str | None) -> None:
    assert not BOX.with_header(name, value).holds()


@pytest.mark.parametrize(("path", "signature"), CONTENTFUL.items())
def test_contentful_signs_a_path_and_a_query_encoded_twice(path: str, signature: str) -> None:
    sent = Sent(
        "contentful",
        '{"a":"é"}'.encode(),
        CONTENTFUL_HEADERS | {"x-contentful-signature": signature},
        secret="a" * 32 + "b" * 32,
        url=f"https://hooks.example.com{path}",
    )
    assert sent.holds()
    assert not sent.but(method="PUT").holds()
    assert not sent.but(url="https://hooks.example.com/in/y").holds()
    assert not sent.with_header("X-Contentful-Topic", "ContentManagement.Entry.delete").holds()
    assert not sent.with_header("X-Contentful-Topic", None).holds()


def test_hygraph_signs_the_body_as_text_in_json() -> None:
    assert HYGRAPH.holds()
    assert not HYGRAPH.but(body=HYGRAPH.body.rstrip()).holds()
    assert not HYGRAPH.but(body=b"\xff").holds()


def test_nowpayments_sorts_names_at_every_depth() -> None:
    assert NOWPAYMENTS.holds()
    assert not NOWPAYMENTS.but(body=NOWPAYMENTS.body.replace(b"usd", b"eur")).holds()


def test_paypro_globals_published_text_is_what_is_hashed() -> None:
    fields = "ORDER_ID=12345&ORDER_STATUS=Processed&ORDER_TOTAL_AMOUNT=9.99"
    rest = "&CUSTOMER_EMAIL=test%40payproglobal.com&TEST_MODE=1&IPN_TYPE_NAME=OrderCharged"
    digest = hashed(PAYPRO, "sha256")
    for spelled in (digest, digest.upper()):
        sent = Sent("paypro_global", f"{fields}{rest}&SIGNATURE={spelled}".encode(), {}, "qwerty")
        assert sent.holds()
    assert not sent.but(body=sent.body.replace(b"9.99", b"0.99")).holds()


def test_hubspots_url_counts_as_it_came_or_with_its_table_decoded() -> None:
    url = "https://a.example/x?to=a%40b.c%2Cd&p=%20"
    signed = ("https://a.example/x?to=a@b.c,d&p=%20", url, "https://a.example/x?to=a@b.c,d&p= ")
    verdicts = []
    for each in signed:
        headers = {
            "X-HubSpot-Request-Timestamp": f"{NOW}000",
            "X-HubSpot-Signature-v3": base64ed("s", f"POST{each}{{}}{NOW}000"),
        }
        verdicts.append(Sent("hubspot_v3", b"{}", headers, "s", url).holds())
    assert verdicts == [True, True, False]


@pytest.mark.parametrize("sent", PUBLISHED, ids=lambda sent: sent.provider)
def test_what_is_published_holds_and_nothing_beside_it(sent: Sent) -> None:
    assert sent.holds()
    assert not sent.but(body=sent.body.replace(b"o", b"0", 1) + b" ").holds()
    assert not sent.but(secret=f"{sent.secret}x").holds()


def test_hook0_falls_back_to_v0_only_without_v1() -> None:
    sent = next(one for one in PUBLISHED if one.provider == "hook0")
    both = f"{sent.headers['X-Hook0-Signature']},h=x,v1={hexed('secret', 'another')}"
    assert not sent.but(headers={"X-Hook0-Signature": both, "x": "1"}).holds()
    missing = hexed("secret", b"1636936200.x..hello !")
    assert not sent.but(headers={"X-Hook0-Signature": f"t=1636936200,h=x,v1={missing}"}).holds()
