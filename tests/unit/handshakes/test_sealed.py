"""Challenges that come encrypted: WeCom's and Lark's."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ingest.verify.handshakes.sealing import open_lark, open_wecom
from tests.unit.handshakes.asking import Asked, content_type

#: The sample of Tencent's own libraries (Sample.py of WXBizMsgCrypt).
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
WECOM = Asked(
    "wecom",
    "GET",
    {
        "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        "timestamp": "1409659589",
        "nonce": "263014780",
        "echostr": ECHO,
    },
    options={"encoding_aes_key": AES_KEY, "corp_id": "wx5823bf96d3bd56c7"},
    secrets=[b"QDG6eK"],
    now=1_409_659_589_000,
)
LARK_KEY = b"test key"


def test_wecom_is_told_what_its_echostr_holds() -> None:
    response = WECOM.answer()
    assert response is not None
    assert (response.status, response.body) == (200, b"1616140317555161061")
    assert content_type(response) == "text/plain"


@pytest.mark.parametrize(
    "changed",
    [
        WECOM._replace(secrets=[b"another"]),
        WECOM._replace(query={**WECOM.query, "nonce": "1"}),
        WECOM._replace(now=1_409_659_589_000 + 301_000),
    ],
)
def test_who_does_not_know_the_token_is_refused(changed: Asked) -> None:
    response = changed.answer()
    assert response is not None
    assert (response.status, response.body) == (403, b"")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"encoding_aes_key": "A" * 43},
        {"encoding_aes_key": "short"},
        {"encoding_aes_key": AES_KEY, "corp_id": "another"},
    ],
)
def test_an_echostr_that_does_not_open_is_not_answered(options: dict[str, str]) -> None:
    assert WECOM._replace(options=options).answer() is None


def test_an_official_account_in_plain_mode_is_told_its_echostr() -> None:
    """https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html."""
    made = hashlib.sha1("".join(sorted(["tok", "1409659589", "x1"])).encode()).hexdigest()
    query = {"signature": made, "timestamp": "1409659589", "nonce": "x1", "echostr": "4375120948"}
    asked = Asked("wecom", "GET", query, secrets=[b"tok"])
    right, wrong = asked.answer(), asked._replace(secrets=[b"kot"]).answer()
    assert right is not None
    assert (right.status, right.body) == (200, b"4375120948")
    assert wrong is not None
    assert (wrong.status, wrong.body) == (403, b"")


def seal(document: object, key: bytes = LARK_KEY) -> bytes:
    plain = json.dumps(document).encode()
    padding = 16 - len(plain) % 16
    vector = b"0123456789abcdef"
    cipher = Cipher(AES(hashlib.sha256(key).digest()), CBC(vector)).encryptor()
    sealed = cipher.update(plain + bytes([padding]) * padding) + cipher.finalize()
    return json.dumps({"encrypt": base64.b64encode(vector + sealed).decode()}).encode()


def test_lark_opens_its_documentations_example() -> None:
    """Key "test key", text "hello world": the page that the entry names."""
    body = b'{"encrypt":"P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="}'
    assert open_lark(body, LARK_KEY) == b"hello world"


def test_lark_is_told_the_challenge_inside_the_envelope() -> None:
    body = seal({"challenge": "ajls384kdjx98XX", "token": "t", "type": "url_verification"})
    asked = Asked("lark", body=body, secrets=[b"old", LARK_KEY])
    response = asked.answer()
    assert response is not None
    assert json.loads(response.body) == {"challenge": "ajls384kdjx98XX"}
    assert asked._replace(secrets=[b"old"]).answer() is None
    refused = asked._replace(options={"verification_token": "other"}).answer()
    assert refused is not None
    assert refused.status == 403


def test_a_sealed_event_of_lark_is_no_handshake() -> None:
    body = seal({"schema": "2.0", "header": {"event_type": "im.message.receive_v1"}})
    assert Asked("lark", body=body, secrets=[LARK_KEY]).answer() is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"encrypt":1}',
        b'{"encrypt":""}',
        b'{"encrypt":"!"}',
        b'{"encrypt":"AAAA"}',
        b'{"encrypt":"MDEyMzQ1Njc4OWFiY2RlZg=="}',
        b'{"encrypt":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYw"}',
    ],
)
def test_what_is_no_envelope_does_not_open(body: bytes) -> None:
    assert open_lark(body, LARK_KEY) is None


@pytest.mark.parametrize("sealed", ["", "!", "AAAA", ECHO[:-4], ECHO + "AAAA", "A" * 88])
def test_what_is_no_echostr_does_not_open(sealed: str) -> None:
    assert open_wecom(sealed, AES_KEY, "wx5823bf96d3bd56c7") is None
