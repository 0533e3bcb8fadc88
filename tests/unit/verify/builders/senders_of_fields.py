"""How providers sign that carry the signature in the body or URL, by their documentation."""

import hashlib
import hmac
import json
from urllib.parse import quote, urlencode

from tests.unit.verify.builders.judging import NOW, Sent, base64ed, hashed, hexed
from tests.unit.verify.builders.senders_of_headers import URL, Edit, Sender

HEX_KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"


def _form(**fields: object) -> bytes:
    return urlencode({name: each for name, each in fields.items() if each is not None}).encode()


def _json(**members: object) -> bytes:
    return json.dumps({name: each for name, each in members.items() if each is not None}).encode()


def adyen(secret: str, number: int, edit: Edit) -> Sent:
    """The secret is hex; what is not becomes some."""
    key = secret if len(secret) == len(HEX_KEY) else hashlib.sha256(secret.encode()).hexdigest()
    content = f"psp{number}::Merchant:ref:1130:EUR:AUTHORISATION:true"
    signature = edit(base64ed(bytes.fromhex(key), content))
    item = {
        "pspReference": f"psp{number}",
        "merchantAccountCode": "Merchant",
        "merchantReference": "ref",
        "amount": {"value": 1130, "currency": "EUR"},
        "eventCode": "AUTHORISATION",
        "success": "true",
        "additionalData": {} if signature is None else {"hmacSignature": signature},
    }
    return Sent("adyen", _json(notificationItems=[{"NotificationRequestItem": item}]), {}, key)


def braintree(secret: str, number: int, edit: Edit) -> Sent:
    payload = f"PG5vdGlmaWNhdGlvbj4{number}\n"
    key = hashlib.sha1(secret.encode()).digest()
    signature = edit(hmac.new(key, payload.encode(), "sha1").hexdigest())
    carried = None if signature is None else f"public1|{signature}"
    return Sent("braintree", _form(bt_signature=carried, bt_payload=payload), {}, secret)


def dropbox_sign(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hexed(secret, f"{NOW + number}signature_request_sent"))
    event = {"event_time": str(NOW + number), "event_type": "signature_request_sent"}
    if signature is not None:
        event["event_hash"] = signature
    part = b'--b0\r\nContent-Disposition: form-data; name="json"\r\n\r\n'
    body = part + _json(event=event) + b"\r\n--b0--\r\n"
    return Sent("dropbox_sign", body, {"Content-Type": "multipart/form-data; boundary=b0"}, secret)


def exact_online(secret: str, number: int, edit: Edit) -> Sent:
    content = f'{{"Topic": "Accounts", "Key":"{number}"}}'
    signature = edit(hexed(secret, content).upper())
    carried = "" if signature is None else f',"HashCode":"{signature}"'
    return Sent("exact_online", f'{{"Content":{content}{carried}}}'.encode(), {}, secret)


def lever(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hexed(secret, f"token{number}{NOW}"))
    body = _json(token=f"token{number}", triggeredAt=NOW, signature=signature)
    return Sent("lever", body, {}, secret)


def mailgun(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hexed(secret, f"{NOW}token{number}"))
    block = {"timestamp": str(NOW), "token": f"token{number}"}
    if signature is not None:
        block["signature"] = signature
    return Sent("mailgun", _json(signature=block), {}, secret)


def midtrans(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hashed(f"o{number}20010000.00{secret}", "sha512"))
    fields = {"order_id": f"o{number}", "status_code": "200", "gross_amount": "10000.00"}
    return Sent("midtrans", _json(**fields, signature_key=signature), {}, secret)


def opennode(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hexed(secret, f"charge{number}"))
    body = _form(id=f"charge{number}", status="paid", hashed_order=signature)
    return Sent("opennode", body, {}, secret)


def paymob(secret: str, number: int, edit: Edit) -> Sent:
    transaction = {
        "amount_cents": 100,
        "created_at": "2025-10-09T08:53:20",
        "success": True,
        "order": {"id": number},
        "source_data": {"pan": "2346"},
    }
    content = f"1002025-10-09T08:53:20{number}2346true"
    signature = edit(hexed(secret, content, "sha512"))
    url = URL if signature is None else f"{URL}?hmac={signature}"
    return Sent("paymob", _json(type="TRANSACTION", obj=transaction), {}, secret, url=url)


def paypro_global(secret: str, number: int, edit: Edit) -> Sent:
    fields = {"ORDER_ID": number, "ORDER_STATUS": "Processed", "IPN_TYPE_NAME": "OrderCharged"}
    signature = edit(hashed(f"{number}Processed{secret}OrderCharged", "sha256"))
    return Sent("paypro_global", _form(**fields, SIGNATURE=signature), {}, secret)


def payu(secret: str, number: int, edit: Edit) -> Sent:
    content = f"{secret}|success||||||||||u1|a@b.c|Ann|Book|10.00|t{number}|key1"
    signature = edit(hashed(content, "sha512"))
    fields = {"status": "success", "udf1": "u1", "email": "a@b.c", "firstname": "Ann"}
    rest = {"productinfo": "Book", "amount": "10.00", "txnid": f"t{number}", "key": "key1"}
    return Sent("payu", _form(**fields, **rest, hash=signature), {}, secret)


def quoter(secret: str, number: int, edit: Edit) -> Sent:
    data = f'{{"quote": {number}}}'
    signature = edit(hashed(f"{secret}{NOW}{data}", "md5"))
    return Sent("quoter", _form(timestamp=NOW, data=data, hash=signature), {}, secret)


def signwell(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hexed(secret, f"document_sent@{NOW + number}"))
    event = {"type": "document_sent", "time": NOW + number}
    carried = {} if signature is None else {"hash": signature}
    return Sent("signwell", _json(event=event | carried), {}, secret)


def transloadit(secret: str, number: int, edit: Edit) -> Sent:
    assembly = f'{{"ok":"ASSEMBLY_COMPLETED","assembly_id":"{number}"}}'
    signature = edit(hexed(secret, assembly, "sha384"))
    carried = None if signature is None else f"sha384:{signature}"
    return Sent("transloadit", _form(transloadit=assembly, signature=carried), {}, secret)


def treezor(secret: str, number: int, edit: Edit) -> Sent:
    payload = f'{{"name": "Zoë / co", "amount": 1.0, "id": {number}}}'
    written = f'{{"name":"Zo\\u00eb \\/ co","amount":1.0,"id":{number}}}'
    signature = edit(base64ed(secret, written))
    carried = "" if signature is None else f', "object_payload_signature": "{signature}"'
    return Sent("treezor", f'{{"object_payload": {payload}{carried}}}'.encode(), {}, secret)


def unisender_go(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hashed(f'{{"auth":"{secret}","n":{number}}}', "md5"))
    carried = "" if signature is None else f'"auth":"{signature}",'
    return Sent("unisender_go", f'{{{carried}"n":{number}}}'.encode(), {}, secret)


def wecom(secret: str, number: int, edit: Edit) -> Sent:
    sealed = f"c2VhbGVk{number}="
    content = "".join(sorted((secret, str(NOW), "n0nce", sealed)))
    signature = edit(hashed(content, "sha1"))
    carried = "" if signature is None else f"msg_signature={quote(signature)}&"
    url = f"{URL}?{carried}timestamp={NOW}&nonce=n0nce"
    body = f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode()
    return Sent("wecom", body, {}, secret, url=url)


SENDERS: dict[str, Sender] = {
    send.__name__: send
    for send in (
        *(adyen, braintree, dropbox_sign, exact_online, lever, mailgun, midtrans, opennode, paymob),
        *(paypro_global, payu, quoter, signwell, transloadit, treezor, unisender_go, wecom),
    )
}
