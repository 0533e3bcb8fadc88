import contextlib
import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.patterns import NOT_JSON, compile_predicate, covers, glob, holds

SHORT = st.text(alphabet="ab.*", max_size=12)


@pytest.mark.parametrize(
    ("wanted", "event_type", "covered"),
    [
        ("push", "push", True),
        ("push", "pushed", False),
        ("push", "Push", False),
        ("issues", "issues", True),
        ("issues", "issues.opened", True),
        ("issues", "issues_opened", False),
        ("issues.*", "issues.opened", True),
        ("issues.*", "issues", False),
        ("issues.*", "issues.a.b", True),
        ("invoice", "invoice.payment.failed", True),
        ("*.failed", "invoice.payment.failed", True),
        ("invoice.*.failed", "invoice.payment.failed", True),
        ("invoice.*.failed", "invoice.failed", False),
        ("*", "anything at all", True),
        ("*", "", True),
        ("push", "", False),
        ("[p]ush", "push", False),
        ("pus?", "push", False),
        ("orders/create", "orders/create", True),
        ("orders/*", "orders/create", True),
    ],
)
def test_a_type_covers_itself_and_its_subtypes(
    wanted: str, event_type: str, *, covered: bool
) -> None:
    assert covers(wanted, event_type) is covered


@given(SHORT, SHORT)
def test_a_star_is_the_star_of_file_names(wanted: str, text: str) -> None:
    assert glob(wanted, text) is fnmatch.fnmatchcase(text, wanted)


def test_many_stars_take_no_longer_than_few() -> None:
    """A regular expression would try every way to share the text among the stars."""
    assert not glob("*a" * 2_000 + "b", "a" * 20_000)


@pytest.mark.parametrize(
    ("expression", "held"),
    [
        ("private == `false`", True),
        ("private", False),
        ("name", True),
        ("name == 'hookkeeper' && stars > `10`", True),
        ("stars > name", False),
        ("zero", True),
        ("missing", False),
        ("missing.deeper[0]", False),
        ("empty_list", False),
        ("empty_text", False),
        ("empty_table", False),
        ("nothing", False),
        ("tags[?@ == 'x']", True),
        ("tags[?@ == 'y']", False),
        ("contains(tags, 'x')", True),
        ("sum(tags)", False),
        ("unknown_function(@)", False),
        ("length(stars)", False),
    ],
)
def test_a_predicate_is_true_as_jmespath_has_it(expression: str, *, held: bool) -> None:
    """Everything but false, null and the empty text, list and table; an error is not true."""
    document = {
        "private": False,
        "name": "hookkeeper",
        "stars": 11,
        "zero": 0,
        "empty_list": [],
        "empty_text": "",
        "empty_table": {},
        "nothing": None,
        "tags": ["x"],
    }
    assert holds(compile_predicate(expression), document) is held


def test_a_predicate_is_never_true_of_what_is_not_json() -> None:
    assert not holds(compile_predicate("`true`"), NOT_JSON)
    assert holds(compile_predicate("`true`"), None)


@pytest.mark.parametrize("expression", ["", "a ==", "a = 'b'", "[", "'", "a.b.", "foo("])
def test_what_is_no_expression_is_refused_in_one_line(expression: str) -> None:
    with pytest.raises(ValueError, match="is not a JMESPath expression") as refusal:
        compile_predicate(expression)
    assert "\n" not in str(refusal.value)


@given(st.text(alphabet="ab.*[]{}()|&@?:,'\"=<>!0-1\\ \n", max_size=12))
def test_a_text_is_an_expression_or_refused_and_never_a_crash(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert holds(compile_predicate(text), {"a": [1, {"b": None}]}) in (True, False)
