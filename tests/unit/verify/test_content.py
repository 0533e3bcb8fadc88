"""What a signature covers: the atoms of the content template, and what each of them says."""

import gzip
import hashlib
import zlib

import pytest

from ingest.verify.content import Content
from ingest.verify.multipart import multipart_fields
from ingest.verify.places import Reading
from ingest.verify.request import Request

BODY = b'{"a":{"b":7,"on":true},"none":null,"text":"\xc3\xa9"}'
URL = "https://hooks.example.com/in/acme?b=2&a=1#top"
READING = Reading(
    Request("POST", URL, (("x-nonce", "n1"), ("x-twice", "a"), ("x-twice", "b")), BODY),
    options={"app_key": "k1"},
)


def rendered(template: str, reading: Reading = READING) -> tuple[bytes, ...] | str:
    return Content.parse(template).render(reading, {"ts": "17", "id": "evt"})


@pytest.mark.parametrize(
    ("template", "content"),
    [
        ("{body}", BODY),
        ("v0:{ts}:{id}", b"v0:17:evt"),
        ("{method} {path}?{query}", b"POST /in/acme?b=2&a=1"),
        ("{host} {url_without_query}", b"hooks.example.com https://hooks.example.com/in/acme"),
        ("{header:X-Nonce}{option:app_key}", b"n1k1"),
        ("{body:a.b}|{body:a.on}|{body:text}", "7|true|é".encode()),
        ("{query:a}{form:gone?}{header:X-Gone?}", b"1"),
        ("{{{ts}}}", b"{17}"),
        ("{body_sha256_hex}", hashlib.sha256(BODY).hexdigest().encode()),
        ("{body_crc32}", str(zlib.crc32(BODY)).encode()),
    ],
)
def test_an_atom_says_what_was_sent(template: str, content: bytes) -> None:
    assert rendered(template) == (content,)


@pytest.mark.parametrize(
    "atom", ["header:x-gone", "header:x-twice", "body:none", "body:a", "query:c"]
)
def test_what_is_absent_or_ambiguous_is_named_and_not_guessed(atom: str) -> None:
    assert rendered("{ts}{" + atom + "}") == atom


def test_the_secret_belongs_between_the_pieces() -> None:
    assert rendered("{ts}{secret}{id}") == (b"17", b"evt")
    assert rendered("{secret}{ts}{secret}") == (b"", b"17", b"")


def test_a_compressed_body_is_covered_as_it_was_before() -> None:
    packed = Reading(Request("POST", URL, (), gzip.compress(BODY)))
    assert rendered("{body_decompressed}", packed) == (BODY,)
    broken = Reading(Request("POST", URL, (), gzip.compress(BODY)[:-9]))
    assert rendered("{body_decompressed}", broken) == "body_decompressed"


FORM = (
    b'--x1\r\nContent-Disposition: form-data; name="json"\r\n\r\n{"a": 1}\r\n'
    b'--x1\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    b"%PDF\r\n--x1--\r\n"
)


def test_the_fields_of_a_multipart_form_are_read_without_its_files() -> None:
    assert multipart_fields(FORM, 10) == {"json": ['{"a": 1}']}
    assert rendered("{form:json.a}", Reading(Request("POST", URL, (), FORM))) == (b"1",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a=1",
        FORM[:-8],
        FORM.replace(b'name="json"', b"nothing"),
        FORM.replace(b"\r\n\r\n", b"\r\n"),
        b"x" + FORM,
    ],
)
def test_what_is_out_of_shape_is_no_form(body: bytes) -> None:
    assert multipart_fields(body, 10) is None


def test_a_form_of_too_many_fields_is_none() -> None:
    assert multipart_fields(FORM, 1) is None
