"""Batches, forms and pieces of a body: what is covered, and what a replayer may try beside it."""

import json
from urllib.parse import urlencode

import pytest

from tests.unit.verify.builders.judging import NOW, Sent, base64ed, hashed, hexed
from tests.unit.verify.builders.senders_of_fields import HEX_KEY, adyen, exact_online, unisender_go
from tests.unit.verify.builders.senders_of_headers import URL

#: Adyen's own test: adyen-python-api-library ``test/UtilTest.py``.
ADYEN_ITEM = {
    "pspReference": "7914073381342284",
    "merchantReference": "TestPayment-1407325143704",
    "merchantAccountCode": "TestMerchant",
    "amount": {"currency": "EUR", "value": 1130},
    "eventCode": "AUTHORISATION",
    "success": "true",
    "additionalData": {"hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},
}


def _adyen(*items: object) -> Sent:
    wrapped = [{"NotificationRequestItem": item} for item in items]
    return Sent("adyen", json.dumps({"notificationItems": wrapped}).encode(), {}, HEX_KEY)


def _genuine(sender: object, number: int = 1) -> Sent:
    assert callable(sender)
    sent = sender("s3cret-of-the-source", number, lambda made: made)
    assert isinstance(sent, Sent)
    return sent


def test_adyens_published_item_holds_and_every_item_of_a_batch_must() -> None:
    assert _adyen(ADYEN_ITEM).holds()
    assert _adyen(ADYEN_ITEM, ADYEN_ITEM).holds()
    tampered = ADYEN_ITEM | {"pspReference": "7914073381342285"}
    unsigned = ADYEN_ITEM | {"additionalData": {}}
    hostile: list[object] = [tampered, unsigned, {}, None, "x", []]
    for forged in hostile:
        assert not _adyen(ADYEN_ITEM, forged).holds()
        assert not _adyen(forged, ADYEN_ITEM).holds()


@pytest.mark.parametrize("field", ["pspReference", "eventCode", "success", "amount"])
def test_adyen_signs_each_of_its_fields(field: str) -> None:
    changed = {"value": 9, "currency": "EUR"} if field == "amount" else "other"
    assert not _adyen(ADYEN_ITEM | {field: changed}).holds()


def test_a_batch_without_items_proves_nothing() -> None:
    assert not _adyen().holds()
    assert not _adyen(*([ADYEN_ITEM] * 101)).holds()
    for body in (b"{}", b"[]", b"null", b'{"notificationItems": {}}', b"{", b""):
        assert not Sent("adyen", body, {}, HEX_KEY).holds()


def test_adyens_items_signed_with_different_secrets_do_not_hold_together() -> None:
    other = _genuine(adyen)
    theirs = json.loads(other.body)["notificationItems"][0]["NotificationRequestItem"]
    assert other.holds()
    assert not _adyen(ADYEN_ITEM, theirs).but(secret=[HEX_KEY, str(other.secret)]).holds()


def test_braintree_takes_a_payload_with_or_without_its_last_newline() -> None:
    """braintree 4.48: HMAC-SHA1 keyed by SHA-1 of the private key, over both spellings."""
    key = bytes.fromhex(hashed("private", "sha1"))
    for signed in ("bXk=", "bXk=\n"):
        pairs = f"other|{'0' * 40}&public|{hexed(key, signed, 'sha1')}"
        body = urlencode({"bt_signature": pairs, "bt_payload": "bXk="}).encode()
        sent = Sent("braintree", body, {}, "private")
        assert sent.holds()
        assert sent.but(options={"public_key": "public"}).holds()
        assert not sent.but(options={"public_key": "other"}).holds()
        assert not sent.but(body=body.replace(b"bXk", b"bXl")).holds()


def test_braintree_refuses_a_payload_that_is_no_base64() -> None:
    key = bytes.fromhex(hashed("private", "sha1"))
    pairs = f"public|{hexed(key, '<xml>', 'sha1')}"
    body = urlencode({"bt_signature": pairs, "bt_payload": "<xml>"}).encode()
    assert not Sent("braintree", body, {}, "private").holds()


def test_mailgun_signs_forms_as_it_signs_json() -> None:
    fields = {"timestamp": str(NOW), "token": "t1", "signature": hexed("key", f"{NOW}t1")}
    sent = Sent("mailgun", urlencode(fields).encode(), {}, "key")
    assert sent.holds()
    assert not sent.but(body=sent.body.replace(b"t1", b"t2")).holds()
    assert not sent.but(body=sent.body + b"&token=t2").holds()
    assert not sent.but(now=NOW + 901).holds()


def test_mercado_pago_leaves_out_what_a_notification_lacks() -> None:
    header = {"x-signature": f"ts={NOW},v1={hexed('key', f'ts:{NOW};')}"}
    sent = Sent("mercadopago", b"{}", header, "key")
    assert sent.holds()
    assert not sent.but(url=f"{URL}?data.id=1").holds()
    assert not sent.with_header("x-request-id", "1").holds()
    assert not sent.with_header("x-signature", header["x-signature"].replace("v1", "v2")).holds()
    assert not sent.with_header("x-signature", f"{header['x-signature']},ts=1").holds()


def test_exact_onlines_content_counts_as_it_was_written_and_only_once() -> None:
    sent = _genuine(exact_online)
    assert sent.holds()
    assert not sent.but(body=sent.body.replace(b'"Topic": ', b'"Topic":')).holds()
    evil = b'{"Content":{"Topic":"Evil"},' + sent.body.removeprefix(b"{")
    assert not sent.but(body=evil).holds()
    assert not sent.but(body=sent.body.removesuffix(b"}") + b',"Content":{}}').holds()
    assert not sent.but(body=sent.body + b"x").holds()


def test_of_a_batch_of_segment_only_the_first_event_is_signed() -> None:
    first = b'{"a": [1, "]"]}'
    header = {"X-Signature": hexed("key", first, "sha1")}
    assert Sent("segment", first, header, "key").holds()
    assert Sent("segment", b" [" + first + b', {"b":1}]', header, "key").holds()
    assert not Sent("segment", b'[{"b":1},' + first + b"]", header, "key").holds()
    for body in (b"[]", b"[", b"[x]", b"[" * 100_000, b"\xff[", b'["\\ud800"]'):
        assert not Sent("segment", body, header, "key").holds()


def test_unisenders_hash_stands_where_the_secret_stood() -> None:
    """django-anymail 15.2 and godocs.unisender.ru: one published shape."""
    body = (
        b'{"auth":"17ddf8d976baa52032109e74463218fe","events_by_user":[{"user_id":456,'
        b'"project_id":"6123462132634","events":[{"event_name":"transactional_email_status"}]}]}'
    )
    sent = Sent("unisender_go", body, {}, "6bjgeuo9hkrkz4kfu7fp6k3wyqz8xzu4d9ra7a8e")
    assert sent.holds()
    assert not sent.but(body=body.replace(b"456", b"457")).holds()
    assert not sent.but(secret="another").holds()
    for auth in (b'""', b'"a"', b"1", b"null", b"{}", b'"17ddf8d976baa52032109e74463218f"'):
        changed = body.replace(b'"17ddf8d976baa52032109e74463218fe"', auth)
        assert not sent.but(body=changed).holds()


def test_an_auth_that_the_body_spells_otherwise_is_refused() -> None:
    """Else the hash would be of the whole body, which anybody can make."""
    sent = _genuine(unisender_go)
    spelled = sent.body.replace(b'"auth":"', b'"auth":"\\u0061', 1)
    assert not sent.but(body=spelled).holds()
    digest = hashed(b'{"auth":"\\u0061","n":1}', "md5")
    assert not sent.but(body=f'{{"auth":"\\u00{ord(digest[0]):x}{digest[1:]}"}}'.encode()).holds()


@pytest.mark.parametrize("provider", ["gitea", "gogs"])
def test_gitea_signs_a_json_body_whole_and_of_a_form_the_payload(provider: str) -> None:
    header = "X-Gitea-Signature" if provider == "gitea" else "X-Gogs-Signature"
    body = b'{"ref": "main"}'
    assert Sent(provider, body, {header: hexed("key", body)}, "key").holds()
    form = urlencode({"payload": body.decode()}).encode()
    assert Sent(provider, form, {header: hexed("key", body)}, "key").holds()
    assert not Sent(provider, form, {header: hexed("key", form)}, "key").holds()
    twice = form + b"&payload=" + urlencode({"": "{}"}).encode()
    assert not Sent(provider, twice, {header: hexed("key", body)}, "key").holds()


def test_paymob_signs_saved_cards_and_redirects_by_other_fields() -> None:
    card = {"type": "TOKEN", "obj": {"id": 1, "token": "t", "email": "a@b.c", "order_id": "9"}}
    url = f"{URL}?hmac={hexed('key', 'a@b.c19t', 'sha512')}"
    assert Sent("paymob", json.dumps(card).encode(), {}, "key", url).holds()
    query = {"id": "7", "order": "8", "success": "true", "source_data.pan": "2346"}
    signed = urlencode(query | {"hmac": hexed("key", "782346true", "sha512")})
    sent = Sent("paymob", b"", {}, "key", f"{URL}?{signed}", "GET")
    assert sent.holds()
    assert not sent.but(url=sent.url.replace("true", "false")).holds()


def test_paymobs_published_string_is_what_it_signs() -> None:
    """developers.paymob.com: "HMAC concatenated string" of its sample transaction."""
    published = (
        "1000002024-06-13T11:33:44.592345EGPfalsefalse1920364654097558truefalsefalsefalsetruefalse"
        "217503754302852false2346MasterCardcardtrue"
    )
    flags = {"is_3d_secure": True, "is_auth": False, "is_capture": False, "is_refunded": False}
    transaction = flags | {
        "amount_cents": 100000,
        "created_at": "2024-06-13T11:33:44.592345",
        "currency": "EGP",
        "error_occured": False,
        "has_parent_transaction": False,
        "id": 192036465,
        "integration_id": 4097558,
        "is_standalone_payment": True,
        "is_voided": False,
        "order": {"id": 217503754},
        "owner": 302852,
        "pending": False,
        "source_data": {"pan": "2346", "sub_type": "MasterCard", "type": "card"},
        "success": True,
    }
    url = f"{URL}?hmac={hexed('key', published, 'sha512')}"
    sent = Sent("paymob", json.dumps({"obj": transaction}).encode(), {}, "key", url)
    assert sent.holds()
    assert not sent.but(body=sent.body.replace(b"100000", b"1")).holds()


def test_praxis_signs_subscriptions_by_other_fields() -> None:
    body = {"event": "renewed", "merchant_id": "m", "cid": "c", "plan_id": 3, "timestamp": NOW}
    signature = hashed(f"renewedmc3{NOW}key", "sha384")
    sent = Sent("praxis", json.dumps(body).encode(), {"gt-authentication": signature}, "key")
    assert sent.holds()
    assert not sent.but(body=sent.body.replace(b"renewed", b"stopped")).holds()
    secret_alone = {"gt-authentication": hashed("key", "sha384")}
    assert not Sent("praxis", b"{}", secret_alone, "key").holds()


def test_payus_additional_charges_stand_before_the_salt() -> None:
    signed = "12.00|salt|success|||||||||||a@b.c|Ann|Book|10.00|t1|key1"
    fields = {"status": "success", "email": "a@b.c", "firstname": "Ann", "productinfo": "Book"}
    rest = {"amount": "10.00", "txnid": "t1", "key": "key1", "additionalCharges": "12.00"}
    form = urlencode(fields | rest | {"hash": hashed(signed, "sha512")}).encode()
    assert Sent("payu", form, {}, "salt").holds()
    assert not Sent("payu", form.replace(b"12.00", b"0.00"), {}, "salt").holds()


def test_wecom_takes_json_and_a_handshakes_cipher_text_and_refuses_two() -> None:
    def signed(sealed: str) -> str:
        digest = hashed("".join(sorted(("tok", str(NOW), "n", sealed))), "sha1")
        return f"{URL}?msg_signature={digest}&timestamp={NOW}&nonce=n"

    json_body = b'{"encrypt":"c2Vh"}'
    assert Sent("wecom", json_body, {}, "tok", signed("c2Vh")).holds()
    assert Sent("wecom", b"", {}, "tok", f"{signed('c2Vh')}&echostr=c2Vh", "GET").holds()
    xml = b"<xml><Encrypt>c2Vh</Encrypt></xml>"
    assert Sent("wecom", xml, {}, "tok", signed("c2Vh")).holds()
    assert not Sent("wecom", xml * 2, {}, "tok", signed("c2Vh")).holds()
    assert not Sent("wecom", b"", {}, "tok", signed("c2Vh")).holds()


def test_several_docusign_keys_each_have_a_header() -> None:
    body = b'{"event":"envelope-sent"}'
    headers = {
        "X-DocuSign-Signature-1": base64ed("first", body),
        "X-DocuSign-Signature-2": base64ed("second", body),
    }
    for secret in ("first", "second"):
        assert Sent("docusign", body, headers, secret).holds()
    assert not Sent("docusign", body, headers, "third").holds()
