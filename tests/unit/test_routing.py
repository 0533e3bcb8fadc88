import enum
import json
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.backoff import RetryPolicy
from ingest.config.model import Config, Destination, Route
from ingest.events import DestinationKind, Event, Target
from ingest.handlers import Handler
from ingest.patterns import pattern
from ingest.routing import caps, looks_inside, match, policy, targets


def event(body: bytes = b"{}", type: str = "push", source: str = "github") -> Event:  # noqa: A002 - an event's word for it
    return Event(
        id="0190163d-8694-739b-aea5-966c26f8ad91",
        source=source,
        type=type,
        provider_event_id=None,
        received_at=1_700_000_000_000,
        headers=(),
        query="",
        content_type="application/json",
        body=body,
        trace_id="",
    )


def config(*routes: Route, **destinations: int | None) -> Config:
    names = {name for route in routes for name in route.to} | destinations.keys()
    made = {
        name: Destination(name=name, url="https://example.com", concurrency=destinations.get(name))
        for name in names
    }
    return Config(destinations=made, routes=routes)


def handlers(*made: Handler) -> Mapping[str, Handler]:
    return {each.name: each for each in made}


def handler(name: str, source: str = "*", *types: str, where: str | None = None) -> Handler:
    wanted = pattern(source, types, where)
    return Handler(name, print, (wanted,), RetryPolicy(attempts=7), 60.0, "process", 2)


def route(source: str, *to: str, types: tuple[str, ...] = (), where: str | None = None) -> Route:
    return Route(pattern(source, types, where), to)


def names(targets: tuple[Target, ...]) -> list[str]:
    return [target.destination for target in targets]


def test_every_destination_and_handler_can_be_delivered_to() -> None:
    """Also one that no route leads to: a replay may name it."""
    mail = Destination(
        name="oncall", url="", kind=DestinationKind.EMAIL, queue="notify", digest_ms=9
    )
    found = targets(Config(destinations={"oncall": mail}), handlers(handler("deploy")))
    assert found == {
        "oncall": Target("oncall", DestinationKind.EMAIL, "notify", 9),
        "deploy": Target("deploy", DestinationKind.PYTHON, "process"),
    }


def test_an_event_goes_to_the_destinations_of_every_route_that_matches() -> None:
    routes = (
        route("github", "billing", types=("push",)),
        route("stripe", "ledger"),
        route("*", "archive"),
    )
    assert match(config(*routes), {}, event()) == (
        Target("billing", DestinationKind.HTTP, "deliver"),
        Target("archive", DestinationKind.HTTP, "deliver"),
    )


def test_a_handler_is_a_destination_of_its_own_kind_and_queue() -> None:
    assert match(Config(), handlers(handler("handlers.deploy", "github", "push")), event()) == (
        Target("handlers.deploy", DestinationKind.PYTHON, "process"),
    )


def test_a_destination_gets_an_event_once_however_many_routes_lead_to_it() -> None:
    routes = (route("*", "a", "b", "a"), route("github", "b", "c"))
    assert names(match(config(*routes), {}, event())) == ["a", "b", "c"]


def test_a_handler_gets_an_event_once_however_many_of_its_patterns_match() -> None:
    both = (pattern("github", ("push",)), pattern("*"))
    made = Handler("handlers.both", print, both, RetryPolicy(), 60.0, "process", None)
    assert names(match(Config(), handlers(made), event())) == ["handlers.both"]


def test_the_order_is_that_of_the_file_and_then_of_the_handlers() -> None:
    routes = (route("*", "z", "b"), route("*", "a"))
    found = match(config(*routes), handlers(handler("y"), handler("c")), event())
    assert names(found) == ["z", "b", "a", "y", "c"]


def test_an_event_that_nothing_wants_has_no_targets() -> None:
    routes = (route("github", "a", types=("issues",)), route("stripe", "b"))
    assert match(config(*routes), handlers(handler("c", "git")), event()) == ()


def test_a_source_pattern_has_no_subtypes() -> None:
    """``github`` must not also mean a source that happens to be called ``github.old``."""
    assert match(config(route("github", "a")), {}, event(source="github.old")) == ()
    assert names(match(config(route("git*", "a")), {}, event())) == ["a"]


def test_an_event_without_a_type_matches_only_what_wants_all_types() -> None:
    routes = (route("*", "a"), route("*", "b", types=("*",)), route("*", "c", types=("push",)))
    assert names(match(config(*routes), {}, event(type=""))) == ["a", "b"]


def test_a_predicate_looks_at_the_body() -> None:
    private = route("*", "a", where="repository.private == `true`")
    for body, expected in (
        (b'{"repository": {"private": true}}', ["a"]),
        (b'{"repository": {"private": false}}', []),
        (b'{"repository": null}', []),
        (b"[]", []),
    ):
        assert names(match(config(private), {}, event(body))) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=%7B%7D",
        b"{",
        b"\xff\xfe",
        b'"\\ud800"',
        b"NaN",
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
    ],
)
def test_a_body_that_is_not_json_is_delivered_but_matches_no_predicate(body: bytes) -> None:
    """Malformed JSON of a verified sender is still an event."""
    routes = (route("*", "always"), route("*", "asked", where="`true`"))
    asking = handler("handlers.asked", where="`true`")
    assert names(match(config(*routes), handlers(asking), event(body))) == ["always"]


class Parses(enum.Enum):
    ONCE = 1
    NEVER = 0


@pytest.mark.parametrize(
    ("where", "body", "parses"),
    [
        ("a", b'{"a": 1}', Parses.ONCE),
        ("a", b"not json", Parses.ONCE),
        (None, b'{"a": 1}', Parses.NEVER),
    ],
)
def test_a_body_is_parsed_at_most_once_and_only_when_asked_for(
    where: str | None, body: bytes, parses: Parses
) -> None:
    """Also one that cannot be parsed: a thousand routes must not try a thousand times."""
    routes = [route("github", "a", where=where) for _ in range(5)]
    others = [route("stripe", "a", where="a"), route("*", "a", types=("pull",), where="a")]
    with patch("ingest.events.orjson.loads", wraps=orjson.loads) as loads:
        match(config(*routes, *others), handlers(handler("b", where=where)), event(body))
    assert loads.call_count == parses.value


PREDICATES = [
    "a",
    "a.b[0] > `1`",
    "sort_by(@, &a)",
    "sum(a) > `0`",
    "max_by(a, &b)",
    "join(',', a)",
    "a[?b == 'c'].d | [0]",
    "length(@) > `0`",
    "to_number(a) < `5`",
    "keys(@)",
    "@.*.* | []",
    "a[::0]",
    "map(&to_string(@), @)",
    "reverse(a) || starts_with(a, b)",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), inner, max_size=3)
    ),
    max_leaves=12,
)
ASKING = tuple(route("*", f"to{n}", where=each) for n, each in enumerate(PREDICATES))


@given(st.binary(max_size=64))
def test_no_body_makes_matching_fail(body: bytes) -> None:
    assert len(match(config(*ASKING), {}, event(body))) <= len(ASKING)


@given(JSON)
def test_no_document_makes_matching_fail(document: Any) -> None:
    found = match(config(*ASKING), {}, event(json.dumps(document).encode()))
    assert len(found) <= len(ASKING)


@given(st.text(max_size=20), st.text(max_size=20), st.text(alphabet="ab.*", max_size=8))
def test_no_name_makes_matching_fail(source: str, type_: str, wanted: str) -> None:
    found = match(config(route(wanted, "a", types=(wanted,))), {}, event(type=type_, source=source))
    assert {target.destination for target in found} <= {"a"}


def test_a_machine_out_of_memory_does_not_cost_an_event_its_route() -> None:
    """Its delivery row would never be made, and nothing would say so."""

    class Exhausted:
        def search(self, _document: object) -> object:
            raise MemoryError

    routes = (route("*", "a"),)
    object.__setattr__(routes[0].pattern, "where", Exhausted())
    with pytest.raises(MemoryError):
        match(config(*routes), {}, event())


def test_each_destination_has_its_own_retry_policy() -> None:
    patient = RetryPolicy(span_ms=1_000)
    made = {"a": Destination(name="a", url="https://example.com", retry=patient)}
    given_ = handlers(handler("handlers.deploy"))
    assert policy(Config(destinations=made), given_, "a") == patient
    assert policy(Config(destinations=made), given_, "handlers.deploy").attempts == 7


def test_a_destination_that_was_removed_keeps_its_deliveries_for_a_while() -> None:
    """Putting it back within the standard three days must lose nothing."""
    assert policy(Config(), {}, "gone") == RetryPolicy()


def test_only_destinations_that_ask_for_it_are_capped() -> None:
    assert caps(config(a=10, b=None), handlers(handler("c"))) == {"a": 10, "c": 2}


def test_bodies_are_wanted_only_where_a_predicate_asks_for_them() -> None:
    plain, asking = route("github", "billing"), route("github", "billing", where="private")
    assert not looks_inside(config(plain), handlers(handler("deploy")))
    assert looks_inside(config(plain, asking), {})
    assert looks_inside(config(plain), handlers(handler("deploy", where="private")))
