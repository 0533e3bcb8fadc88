"""Templates: what they can say, and that none can hold a worker, reach into it, or be misread."""
# ruff: noqa: E501 - an example is easier to read on one line, however long

import time

import orjson
import pytest

from ingest.event_view import EventView
from ingest.events import Event
from ingest.templates import Template, TemplateFailed, TemplateRefused, html, plain, slack

PAYLOAD = {"title": "<b>Tom & 'Ann'</b>", "items": [1, 2, 3], "deep": {"ref": "main"}, "none": None}


def event(body: bytes = orjson.dumps(PAYLOAD)) -> Event:
    return Event(
        *("id-1", "github", "push", None, 1_700_000_000_000, (), "", "application/json"),
        body=body,
        trace_id="0af7",
    )


def render(template: Template, body: bytes = orjson.dumps(PAYLOAD)) -> str:
    view = EventView(event(body))
    variables = {"event": view, "events": [view], "count": 1, "more": 0, "destination": "oncall"}
    return template.render(variables)


# -- what they can say ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ event.source }} {{ event.type }} {{ event.id }}", "github push id-1"),
        ("{{ event.time }}", "2023-11-14 22:13:20 UTC"),
        ("{{ event.title }} / {{ event.hint }}", "github: push / hookkeeper events show id-1"),
        ("{{ event.json.deep.ref }}", "main"),
        ("{{ event.json.items | join(', ') }}", "1, 2, 3"),  # a payload's key, not dict.items
        ("{{ event.json.nothing | default('?') }}", "?"),
        ("{{ event.json.none }}.", "."),
        ("{{ event.json.deep | tojson }}", '{"ref": "main"}'),
        (
            "{% for one in event.json.items if one > 1 %}{{ loop.index }}={{ one }} {% endfor %}",
            "1=2 2=3 ",
        ),
        ("{{ 'a' ~ 1 ~ true }}", "a1true"),
        (
            "{% set n = namespace(x=0) %}{% for i in range(9) %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}",
            "36",
        ),
        ("{{ event.json.title | truncate(6) }}", "<b>..."),
        ("{{ 1700000000000 | time }} {{ 2.345 | round(1) }}", "2023-11-14 22:13:20 UTC 2.3"),
        ("{{ event.json.title.upper() | replace('TOM', 'x') }}", "<B>x & 'ANN'</B>"),
    ],
)
def test_a_template_says_what_the_event_holds(source: str, expected: str) -> None:
    assert render(plain(source)) == expected


def test_a_body_that_is_no_json_can_still_be_quoted() -> None:
    assert (
        render(plain("{{ event.text }} {{ event.json is none }}"), b"\xff<raw>")
        == "\ufffd<raw> true"
    )


def test_senders_words_are_never_html() -> None:
    source = "{{ event.json.title }}{{ event.json.title ~ '<i>' }}{{ event.json.title | upper }}"
    source += "{% set x %}<b>{{ event.json.title }}</b>{% endset %}{{ x }}{{ event.json | tojson }}"

    written = render(html(source))

    assert written.count("<") == 2  # the template's own <b> and </b>
    assert "&lt;b&gt;Tom &amp; &#39;Ann&#39;&lt;/b&gt;" in written


def test_senders_words_are_never_slacks_markup_and_read_as_they_were() -> None:
    source = "{{ event.json.title }} {% set x %}*{{ event.json.title }}*{% endset %}{{ x }}"
    words = "&lt;b&gt;Tom &amp; 'Ann'&lt;/b&gt;"

    assert render(slack(source)) == f"{words} *{words}*"


# -- what is refused at the start -----------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ evnt.id }}", "line 1: there is no 'evnt' here; did you mean \"event\"?"),
        ("\n\n{{ event.tpye }}", "line 3: an event has no 'tpye'; did you mean \"type\"?"),
        ("{{ event.id | uper }}", "line 1: there is no filter 'uper'; did you mean \"upper\"?"),
        ("{% if event.id is definde %}{% endif %}", "there is no test 'definde'; did you mean"),
        ("a\n{% if %}", "line 2: Expected an expression"),
        ("{{ event.id ", "line 1: unexpected end of template"),
        ("{% for x in events %}", "line 1: Unexpected end of template"),
        ("{% macro m() %}{% endmacro %}", "line 1: macro is not available"),
        ("{% include 'x' %}", "include is not available"),
        ("{% import 'x' as x %}", "import is not available"),
        ("{% extends 'x' %}", "extends is not available"),
        ("{{ 9 ** 9 }}", "pow is not available"),
        ("{% for x in events recursive %}{% endfor %}", "for is not available"),
        ("{{ event.id | safe }}", "there is no filter 'safe'"),
        ("{{ event | attr('x') }}", "there is no filter 'attr'"),
        ("{{ event.id | metered(1) }}", "there is no filter 'metered'"),
        ("{{ lipsum() }}", "there is no 'lipsum' here"),
        ("x" * 64_001, "longer than 64,000 characters"),
    ],
)
def test_a_wrong_template_is_refused_with_its_line(source: str, reason: str) -> None:
    with pytest.raises(TemplateRefused) as refused:
        plain(source)

    assert reason in str(refused.value)


# -- what fails, and how --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("\n{{ event.json.ref.name }}", "line 2: 'dict object' has no attribute 'ref'"),
        ("{{ event.json.none.name }}", "'None' has no attribute 'name'"),
        ("{{ event.json.items }}", "a list has no text of its own"),
        ("{{ event.json }}", "an object has no text of its own"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ event.json.items() }}", "not callable"),
        ("{{ event['_event'] }}", "is unsafe"),
        ("{{ ''.__class__ }}", "is unsafe"),
        ("{{ event.json.items.append(1) }}", "is unsafe"),
        ("{{ '{0.__class__}'.format(event) }}", "unsafe"),
        ("{{ '%s' % event.id }}", "not available"),
    ],
)
def test_what_is_not_there_or_not_allowed_fails_in_words(source: str, reason: str) -> None:
    with pytest.raises(TemplateFailed) as failed:
        render(plain(source))

    assert reason in str(failed.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in events * 999999 %}{% for b in events * 99999 %}{% endfor %}{% endfor %}",
        "{% for a in range(9999) %}" + "x" * 60_000 + "{% endfor %}",
        "{% set x %}{% for a in range(9999) %}" + "x" * 60_000 + "{% endfor %}{% endset %}",
        "{{ 'x' * 9999999999 }}",
        "{{ [0] * 9999999999 }}",
        "{% set n = namespace(x='12345678') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='12345678') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=99) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(30) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{% set n = namespace(x='x') %}{% for i in range(99) %}{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}{% endfor %}",
        "{{ ('x' * 99999) | replace('x', 'x' * 99999) }}",
        "{{ (['x' * 9999] * 9999) | join }}",
        "{{ (['x'] * 9999) | join('x' * 9999) }}",
        "{{ 'x'.center(9999999999) }}",
        "{{ '{:9999999999}'.format(1) }}",
    ],
)
def test_no_template_holds_a_worker_or_fills_its_memory(source: str) -> None:
    """Counted, not timed: it ends after so many steps or characters, on any machine."""
    template = plain(source)
    began = time.process_time()

    with pytest.raises(TemplateFailed):
        render(template)

    assert time.process_time() - began < 5


def test_every_rendering_has_the_whole_bound_for_itself() -> None:
    template = plain("{% for a in range(19000) %}{% endfor %}done")

    assert [render(template) for _ in range(3)] == ["done"] * 3
