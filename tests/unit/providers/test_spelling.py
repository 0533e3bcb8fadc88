"""A template that is written out is read back as the same template."""

from ingest.providers import spelling
from ingest.verify import load_catalogue
from ingest.verify.content import Content
from ingest.verify.extract import Extractor
from ingest.verify.handshakes.reply import Document, Reply

CATALOGUE = load_catalogue()


def test_what_is_signed_is_written_as_an_entry_writes_it() -> None:
    for slug, each in CATALOGUE.items():
        written = spelling.content(each.content).replace("\\n", "\n")
        assert Content.parse(written) == each.content, slug


def test_where_something_stands_is_written_as_an_entry_writes_it() -> None:
    for slug, each in CATALOGUE.items():
        for template in filter(None, (each.event_type, each.event_id, each.timestamp)):
            assert Extractor.parse(spelling.extractor(template).split(", else ")) == template, slug


def test_an_optional_place_keeps_its_mark() -> None:
    assert spelling.content(Content.parse("{header:X-Id?}{{}}")) == "{header:x-id?}{{}}"


def test_replies_are_written_as_an_entry_writes_them() -> None:
    for text in ("{query:c}", "sha256={hmac_sha256_hex(body:a.b)}", "{option:k}|{body:x|form:y}"):
        assert spelling.reply(Reply.parse(text)) == text
    whole = {"a": ["{body:x}", 1], "b": {"c": "d"}}
    assert spelling.document(Document.parse(whole)) == '{"a": ["{body:x}", 1], "b": {"c": "d"}}'
    assert spelling.document(Document.parse("{body}")) == "{body}"
