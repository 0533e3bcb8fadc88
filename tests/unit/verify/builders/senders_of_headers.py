"""How providers sign that carry the signature in a header, each made anew from its documentation.

A sender gets a secret, the number of a message and an edit of the signature (None leaves it out).
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from tests.unit.verify.builders.judging import NOW, Sent, base64ed, hashed, hexed

Edit = Callable[[str], str | None]
Sender = Callable[[str, int, Edit], Sent]
URL = "https://hooks.example.com/in/acme"
MS = NOW * 1_000


def _carry(name: str, signature: str | None, form: str = "{}") -> dict[str, str]:
    return {} if signature is None else {name: form.format(signature)}


def _json(number: int, **members: Any) -> bytes:
    return json.dumps({"id": f"evt_{number}", **members}).encode()


def box(secret: str, number: int, edit: Edit) -> Sent:
    body, stamp = _json(number), "2025-10-09T08:53:20+00:00"
    signature = edit(base64ed(secret, body + stamp.encode()))
    headers = {
        "BOX-DELIVERY-TIMESTAMP": stamp,
        "BOX-SIGNATURE-VERSION": "1",
        "BOX-SIGNATURE-ALGORITHM": "HmacSHA256",
    }
    return Sent("box", body, headers | _carry("BOX-SIGNATURE-PRIMARY", signature), secret)


def canny(secret: str, number: int, edit: Edit) -> Sent:
    headers = {"Canny-Nonce": f"nonce{number}", "Canny-Timestamp": str(NOW)}
    signature = edit(base64ed(secret, f"nonce{number}"))
    return Sent("canny", b"{}", headers | _carry("Canny-Signature", signature), secret)


def cloudinary(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(hashed(body + f"{NOW}{secret}".encode(), "sha1"))
    headers = {"X-Cld-Timestamp": str(NOW)} | _carry("X-Cld-Signature", signature)
    return Sent("cloudinary", body, headers, secret)


def _hook0(provider: str) -> Sender:
    def send(secret: str, number: int, edit: Edit) -> Sent:
        body = _json(number)
        content = f"{NOW}.content-type x-event-id.application/json.e{number}.".encode() + body
        signature = edit(hexed(secret, content))
        headers = {"Content-Type": "application/json", "X-Event-Id": f"e{number}"}
        form = f"t={NOW},h=content-type x-event-id,v1={{}}"
        return Sent(provider, body, headers | _carry("X-Hook0-Signature", signature, form), secret)

    return send


def contentful(secret: str, number: int, edit: Edit) -> Sent:
    body, names = _json(number), "x-contentful-signed-headers,x-contentful-timestamp,x-topic"
    head = f"x-contentful-signed-headers:{names};x-contentful-timestamp:{MS};x-topic:made"
    signature = edit(hexed(secret, f"POST\n/in/acme\n{head}\n".encode() + body))
    headers = {
        "x-contentful-signed-headers": names,
        "x-contentful-timestamp": str(MS),
        "X-Topic": "made",
    }
    return Sent("contentful", body, headers | _carry("x-contentful-signature", signature), secret)


def dingtalk(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(base64ed(secret, f"{MS + number}\n{secret}"))
    headers = {"timestamp": str(MS + number)} | _carry("sign", signature)
    return Sent("dingtalk", b"{}", headers, secret)


def docusign(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(base64ed(secret, body))
    return Sent("docusign", body, _carry("X-DocuSign-Signature-1", signature), secret)


def ecwid(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number, eventCreated=NOW, eventId=f"e{number}")
    signature = edit(base64ed(secret, f"{NOW}.e{number}"))
    return Sent("ecwid", body, _carry("X-Ecwid-Webhook-Signature", signature), secret)


def favro(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number, payloadId=f"p{number}")
    signature = edit(base64ed(secret, f"p{number}{URL}", "sha1"))
    return Sent("favro", body, _carry("X-Favro-Webhook", signature), secret)


def getstream(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    headers = {"Content-Encoding": "gzip"} | _carry("X-Signature", edit(hexed(secret, body)))
    return Sent("getstream", gzip.compress(body), headers, secret)


def _gitea(provider: str, header: str) -> Sender:
    def send(secret: str, number: int, edit: Edit) -> Sent:
        payload = _json(number, name="Zoë & co").decode()
        signature = edit(hexed(secret, payload))
        body = urlencode({"payload": payload}).encode()
        return Sent(provider, body, _carry(header, signature), secret)

    return send


def hubspot_v1(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(hashed(secret.encode() + body, "sha256"))
    return Sent("hubspot_v1", body, _carry("X-HubSpot-Signature", signature), secret)


def hubspot_v2(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(hashed(f"{secret}POST{URL}".encode() + body, "sha256"))
    return Sent("hubspot_v2", body, _carry("X-HubSpot-Signature", signature), secret)


def hubspot_v3(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(base64ed(secret, f"POST{URL}".encode() + body + str(MS).encode()))
    headers = {"X-HubSpot-Request-Timestamp": str(MS)}
    return Sent("hubspot_v3", body, headers | _carry("X-HubSpot-Signature-v3", signature), secret)


def hygraph(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    envelope = {"Body": body.decode(), "EnvironmentName": "main", "TimeStamp": MS}
    signature = edit(base64ed(secret, json.dumps(envelope, separators=(",", ":"))))
    form = f"sign={{}}, env=main, t={MS}"
    return Sent("hygraph", body, _carry("gcms-signature", signature, form), secret)


#: Keccak-256 of ``{body}{secret}``, by pycryptodome: the standard library has none.
KECCAK = {
    (1, True): "22318910233c92e8d35bd5a00d674006ea62d45e11d74e62abeef0f89b60f828",
    (2, True): "aca0671037941fb9b24d7a153921a441a57fe56b7766955a289e65da5039d25d",
    (1, False): "944011ec488d8a15afeeb8dc38f3662aa2184170036b6087e2c53bfac5ceef50",
    (2, False): "776ffa69cbcb04ba64eacf38b2586ea2ebd856bbaaa333930812a11b85e8a54d",
}


def moralis(secret: str, number: int, edit: Edit) -> Sent:
    """Of two secrets and two messages, which were hashed elsewhere."""
    body = f'{{"tag":"t","streamId":"s{number}","confirmed":true}}'.encode()
    signature = edit(KECCAK[number, secret == "s3cret-of-the-source"])
    return Sent("moralis", body, _carry("x-signature", signature, "0x{}"), secret)


def inngest(secret: str, number: int, edit: Edit) -> Sent:
    body = f'{{"z": {number}.0, "a": "é"}}'.encode()
    signature = edit(hexed(secret, f'{{"a":"é","z":{number}}}{NOW}'))
    form = f"t={NOW}&s={{}}"
    return Sent("inngest", body, _carry("X-Inngest-Signature", signature, form), secret)


def lark(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(hashed(f"{NOW}n0nce{secret}".encode() + body, "sha256"))
    headers = {"X-Lark-Request-Timestamp": str(NOW), "X-Lark-Request-Nonce": "n0nce"}
    return Sent("lark", body, headers | _carry("X-Lark-Signature", signature), secret)


def mandrill(secret: str, number: int, edit: Edit) -> Sent:
    events = f'[{{"event":"send","_id":"{number}"}}]'
    signature = edit(base64ed(secret, f"{URL}mandrill_events{events}", "sha1"))
    body = urlencode({"mandrill_events": events}).encode()
    return Sent("mandrill", body, _carry("X-Mandrill-Signature", signature), secret)


def mercadopago(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(hexed(secret, f"id:ord{number};request-id:r-1;ts:{NOW};"))
    headers = {"x-request-id": "r-1"} | _carry("x-signature", signature, f"ts={NOW},v1={{}}")
    url = f"{URL}?data.id=ORD{number}&type=order"
    return Sent("mercadopago", b"{}", headers, secret, url=url)


def moov(secret: str, number: int, edit: Edit) -> Sent:
    headers = {"X-Timestamp": str(NOW), "X-Nonce": f"n{number}", "X-Webhook-ID": "w1"}
    signature = edit(hexed(secret, f"{NOW}|n{number}|w1", "sha512"))
    return Sent("moov", b"{}", headers | _carry("X-Signature", signature), secret)


def nowpayments(secret: str, number: int, edit: Edit) -> Sent:
    body = f'{{"payment_id": {number}, "fee": {{"b": 1.50, "a": "x/y"}}}}'.encode()
    written = f'{{"fee":{{"a":"x/y","b":1.5}},"payment_id":{number}}}'
    signature = edit(hexed(secret, written, "sha512"))
    return Sent("nowpayments", body, _carry("x-nowpayments-sig", signature), secret)


def phonepe(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number, response=f"eyJ{number}")
    signature = edit(hashed(f"eyJ{number}{secret}", "sha256"))
    return Sent("phonepe", body, _carry("X-VERIFY", signature, "{}###1"), secret)


def plivo_v2(secret: str, number: int, edit: Edit) -> Sent:
    headers = {"X-Plivo-Signature-V2-Nonce": f"n{number}"}
    signature = edit(base64ed(secret, f"{URL}n{number}"))
    carried = headers | _carry("X-Plivo-Signature-V2", signature)
    return Sent("plivo_v2", b"Status=sent", carried, secret, url=f"{URL}?a=1")


def plivo_v3(secret: str, number: int, edit: Edit) -> Sent:
    headers = {"X-Plivo-Signature-V3-Nonce": "n1"}
    signature = edit(base64ed(secret, f"{URL}?a=1&b=2.From1To{number}.n1"))
    carried = headers | _carry("X-Plivo-Signature-V3", signature)
    body = f"To={number}&From=1".encode()
    return Sent("plivo_v3", body, carried, secret, url=f"{URL}?b=2&a=1")


def praxis(secret: str, number: int, edit: Edit) -> Sent:
    members = {"merchant_id": "m", "timestamp": NOW, "transaction": {"tid": number, "amount": 10}}
    signature = edit(hashed(f"m{NOW}{number}10{secret}", "sha384"))
    body = json.dumps(members).encode()
    return Sent("praxis", body, _carry("gt-authentication", signature), secret)


def segment(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    return Sent("segment", body, _carry("X-Signature", edit(hexed(secret, body, "sha1"))), secret)


def sellsy(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(hashed(secret.encode() + body, "sha1"))
    return Sent("sellsy", body, _carry("x-webhook-signature", signature), secret)


def tiktok_shop(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    carried = _carry("Authorization", edit(hexed(secret, b"app1" + body)))
    return Sent("tiktok_shop", body, carried, secret, options={"app_key": "app1"})


def toast(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number, timestamp="2025-10-09T08:53:20Z")
    signature = edit(base64ed(secret, body + b"2025-10-09T08:53:20Z"))
    return Sent("toast", body, _carry("Toast-Signature", signature), secret)


def twilio(secret: str, number: int, edit: Edit) -> Sent:
    signature = edit(base64ed(secret, f"{URL}?a=1BodyHi thereSid{number}", "sha1"))
    body = f"Sid={number}&Body=Hi+there".encode()
    return Sent("twilio", body, _carry("X-Twilio-Signature", signature), secret, url=f"{URL}?a=1")


def usps(secret: str, number: int, edit: Edit) -> Sent:
    payload = f'{{"piece": {number}}}'
    body = _json(number, timestamp="2025-10-09T08:53:20Z", payload=payload)
    signature = edit(base64ed(secret, f"2025-10-09T08:53:20Z{payload}"))
    return Sent("usps", body, _carry("X-HMAC", signature), secret)


def walmart(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    content = f"POST\n/in/acme?a=1\n{NOW}\n{hashlib.sha256(body).hexdigest()}"
    headers = {"WM_SEC.TIMESTAMP": str(NOW)}
    carried = headers | _carry("WM_SEC.SIGNATURE", edit(base64ed(secret, content)))
    return Sent("walmart", body, carried, secret, url=f"{URL}?a=1")


def deel(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    return Sent(
        "deel", body, _carry("x-deel-signature", edit(hexed(secret, b"POST" + body))), secret
    )


def solidgate(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    digest = hexed(secret, b"wh_pk_1" + body + b"wh_pk_1", "sha512")
    signature = edit(base64.b64encode(digest.encode()).decode())
    return Sent("solidgate", body, {"merchant": "wh_pk_1"} | _carry("signature", signature), secret)


def tebex(secret: str, number: int, edit: Edit) -> Sent:
    body = _json(number)
    signature = edit(hexed(secret, hashlib.sha256(body).hexdigest()))
    return Sent("tebex", body, _carry("X-Signature", signature), secret)


SENDERS: dict[str, Sender] = {
    send.__name__: send
    for send in (
        *(box, canny, cloudinary, contentful, dingtalk, docusign, ecwid, favro, getstream),
        *(hubspot_v1, hubspot_v2, hubspot_v3, hygraph, inngest, lark, mandrill, mercadopago, moov),
        moralis,
        *(nowpayments, phonepe, plivo_v2, plivo_v3, praxis, segment, sellsy, tiktok_shop),
        *(deel, solidgate, tebex, toast, twilio, usps, walmart),
    )
} | {
    "coinbase_cdp": _hook0("coinbase_cdp"),
    "gitea": _gitea("gitea", "X-Gitea-Signature"),
    "gogs": _gitea("gogs", "X-Gogs-Signature"),
    "hook0": _hook0("hook0"),
}
