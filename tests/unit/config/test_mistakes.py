"""What a person reads when hookkeeper.toml is wrong: where, what, and what to write instead."""

import pytest

from ingest.config.mistakes import Mistakes, did_you_mean
from ingest.errors import ConfigError
from tests.unit.config.conftest import Folder

SOURCE = '[sources.github]\nprovider = "github"\nsecrets = ["env:SECRET"]\n'
DESTINATION = '[destinations.billing]\nurl = "https://example.com"\n'
ROUTE = f'{SOURCE}{DESTINATION}[[routes]]\nsource = "github"\nto = ["billing"]\n'


def test_a_mistake_names_the_file_the_table_and_the_key(folder: Folder) -> None:
    message = folder.refused(SOURCE + 'max_bdy = "1MB"')
    assert message == (
        f'{folder.file}: [sources.github] max_bdy: unknown key; did you mean "max_body"?'
    )


def test_all_mistakes_of_a_file_are_reported_together(folder: Folder) -> None:
    message = folder.refused(
        """
        retention = 90
        [sources.a]
        provider = "githb"
        secrets = ["env:NOT_SET", "literal", "env:SECRET"]
        max_body = "lots"
        [sources.b]
        [destinations.c]
        url = "example.com"
        [[routes]]
        source = "nowhere"
        where = "a =="
        to = ["nobody"]
        """
    )
    places = [line.split(": ")[0].strip() for line in message.splitlines()[1:] if ": " in line]
    assert message.splitlines()[0] == f"{folder.file}: 10 mistakes"
    assert [place for place in places if not place.startswith("provider =")] == [
        "retention",
        "[sources.a] max_body",
        "[sources.a] secrets",
        "[sources.a] secrets",
        "[sources.a] provider",
        "[sources.b] provider",
        "[destinations.c] url",
        "[routes #1] source",
        "[routes #1] to",
        "[routes #1] where",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('retenton = "90d"', 'retenton: unknown key; did you mean "retention"?'),
        (
            "[[sinks]]",
            (
                "sinks: unknown key; one of: alerts, destinations, exports, handlers, retention, "
                "routes"
            ),
        ),
        ('handlers = "handlers"', 'handlers: expected a list, such as ["handlers"]'),
        ('handlers = ["handlers.py/x"]', "'handlers.py/x' is no module"),
        ("retention = 90", 'retention: expected whole days such as "90d" in quotes, got 90'),
        ("[sources]\ngithub = 1", "[sources.github]: expected a table, got 1"),
        ('["sources"."a b"]\nprovider = "none"', "[sources] a b: a name is 1 to 64 letters"),
        (SOURCE + "max_body = 10", '[sources.github] max_body: expected a size such as "512KB"'),
        (SOURCE + 'dedupe = "id"', "dedupe: expected 'provider', 'body' or 'off', got 'id'"),
        (SOURCE + 'dedupe = "body"', "dedupe_window: is missing"),
        (SOURCE + 'dedupe_window = "1h"', "dedupe_window: is shorter than the 3d in which github"),
        (SOURCE + 'dedupe = "body"\ndedupe_window = "0s"', 'must be more than "0s"'),
        (SOURCE + "options = { a = 1 }", "options.a: expected text in quotes"),
        (SOURCE + 'options = { a = "1" }', "a: is no option of github; it has none"),
        (
            SOURCE.replace("github", "meta") + 'options = { verify_tokn = "x" }',
            '[sources.meta.options] verify_tokn: is no option of meta; did you mean "verify_',
        ),
        (DESTINATION + "timeout = 15", 'timeout: expected a duration such as "15s"'),
        (DESTINATION + 'timeout = "0s"', 'timeout: expected more than "0s" and at most "5m"'),
        (DESTINATION + 'timeout = "1h"', 'timeout: expected more than "0s" and at most "5m"'),
        (DESTINATION + "concurrency = 0", "concurrency: expected greater than or equal to 1"),
        (DESTINATION + "concurrency = true", "concurrency: expected a whole number, such as 10"),
        (DESTINATION + 'allow = ["10.0.0.1/8"]', "10.0.0.1/8 has host bits set"),
        (DESTINATION + 'retry = { spam = "1d" }', 'retry.spam: unknown key; did you mean "span"?'),
        (DESTINATION + 'retry = { cap = "1s" }', "retry.cap: is less than base"),
        (DESTINATION + 'retry = { span = "0s" }', "retry: base and span must be more than"),
        (DESTINATION + "retry = { attempts = 0 }", "retry.attempts: expected greater than"),
        ("[destinations.billing]", "[destinations.billing] url: is missing"),
        (DESTINATION + 'headers = { Host = "x" }', "headers.Host: is set by the delivery itself"),
        (DESTINATION + 'headers = { "a b" = "x" }', "headers.a b: is not a header name"),
        (DESTINATION + 'headers = { A = "x\\r\\nB: y" }', "headers.A: its value has characters"),
        ("[[routes]]", '[routes #1] source: is missing; name a source, or "*"'),
        ("[[routes]]", '[routes #1] to: is missing; name destinations, such as ["billing"]'),
        (ROUTE + 'types = "push"', 'types: expected a list, such as ["push", "issues.*"]'),
        (ROUTE + 'types = [""]', "types: a type is empty"),
        (ROUTE + 'where = "a =="', "where: 'a ==' is not a JMESPath expression"),
        (ROUTE + 'where = ""', "where: '' is not a JMESPath expression"),
        (ROUTE.replace('["b', '["c'), "to: there is no destination 'cilling'; did you mean"),
        (ROUTE + '[[routes]]\nsource = "gitub"\nto = ["billing"]', "[routes #2] source: there is"),
    ],
)
def test_a_mistake_says_what_to_write_instead(folder: Folder, text: str, expected: str) -> None:
    assert expected in folder.refused(text)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https://a b",
        "https://[::1",
        "https://é.com",
    ],
)
def test_a_destination_needs_a_whole_http_url(folder: Folder, url: str) -> None:
    assert "[destinations.a] url: " in folder.refused(f'[destinations.a]\nurl = "{url}"')


def test_a_route_to_a_handler_is_told_that_handlers_subscribe_themselves(folder: Folder) -> None:
    message = folder.refused(ROUTE.replace('["billing"]', '["handlers.deploy"]'))
    assert "it says what it wants with @on" in message


def test_a_source_that_proves_nothing_by_accident_is_refused_with_the_three_ways_out(
    folder: Folder,
) -> None:
    message = folder.refused("[sources.acme]\n")
    assert 'provider = "github"' in message
    assert "[sources.acme.scheme]" in message
    assert 'provider = "none"' in message


def test_a_provider_that_signs_nothing_has_to_be_wanted(folder: Folder) -> None:
    strava = '[sources.a]\nprovider = "strava"\n'
    assert "[sources.a] unproved: is missing: strava signs nothing" in folder.refused(strava)
    assert folder.load(strava + "unproved = true").sources["a"].provider.family == "none"
    message = folder.refused(SOURCE + "unproved = true")
    assert "[sources.github] unproved: belongs to a provider" in message


def test_a_provider_whose_keys_are_published_needs_no_secret(folder: Folder) -> None:
    given = '[sources.a]\nprovider = "aws_sns"\noptions = { topic_arn = "arn:aws:sns:x" }\n'
    assert folder.load(given).sources["a"].secrets == ()


def test_a_misspelt_provider_is_led_to_the_catalogue(folder: Folder) -> None:
    message = folder.refused('[sources.a]\nprovider = "Strip"\nsecrets = ["env:SECRET"]')
    assert "'Strip' is not in the catalogue; did you mean \"stripe\"?" in message


def test_a_provider_and_a_scheme_exclude_each_other(folder: Folder) -> None:
    message = folder.refused(SOURCE + '[sources.github.scheme]\nfamily = "none"')
    assert "[sources.github] provider: stands beside a scheme" in message


def test_a_scheme_is_checked_in_the_words_of_the_catalogue(folder: Folder) -> None:
    source = '[sources.a]\nsecrets = ["env:SECRET"]\n[sources.a.scheme]\n'
    message = folder.refused(source + 'family = "hmac"\nheder = "X-Signature"')
    assert '[sources.a.scheme] heder: unknown key; did you mean "header"?' in message
    message = folder.refused(source + 'family = "hmac"')
    assert "[sources.a.scheme]: header is missing" in message
    message = folder.refused(source + 'header = "X-Signature"')
    assert "[sources.a.scheme] family: is missing" in message


def test_broken_toml_names_the_line_and_the_column(folder: Folder) -> None:
    message = folder.refused("[sources.github]\nprovider = github\n")
    assert "not valid TOML" in message
    assert "line 2, column 12" in message


def test_a_file_that_is_not_utf8_names_the_line(folder: Folder) -> None:
    folder.file.write_bytes(b"# \xc3\xa9\n# \xe9\n")
    with pytest.raises(ConfigError, match="line 2 is not UTF-8"):
        folder.load_as_it_is()


def test_a_file_that_cannot_be_read_says_why(folder: Folder) -> None:
    folder.file.mkdir()
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        folder.load_as_it_is()


def test_a_key_with_a_mistake_is_not_also_called_missing() -> None:
    mistakes = Mistakes("file")
    mistakes.add("routes #1", "to", "expected a list")
    mistakes.add_missing("routes #1", "to", "is missing")
    mistakes.add_missing("routes #2", "to", "is missing")
    with pytest.raises(ConfigError) as refusal:
        mistakes.raise_if_any()
    assert str(refusal.value) == (
        "file: 2 mistakes\n  [routes #1] to: expected a list\n  [routes #2] to: is missing"
    )


def test_a_hint_is_the_nearest_name_else_all_of_them() -> None:
    assert did_you_mean("Githup", ["github", "stripe"]) == 'did you mean "github"?'
    assert did_you_mean("zzz", ["stripe", "github"]) == "one of: github, stripe"
    assert did_you_mean("zzz", []) == "there are none to choose from"
    assert did_you_mean("zzz", [f"name{n:02}" for n in range(35)]).endswith("name29 and 5 more")
