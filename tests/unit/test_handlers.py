"""What ``@on`` marks, and what is collected from the modules named in hookkeeper.toml."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest import Event, on
from ingest.backoff import RetryPolicy
from ingest.errors import ConfigError
from ingest.handlers import Handler, load_handlers
from ingest.patterns import Pattern

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules that are importable by ``load`` and forgotten after the test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write_module(name: str, text: str) -> None:
        path = tmp_path / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from ingest import on\n" + text)

    yield write_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(folder: Path, *modules: str) -> Mapping[str, Handler]:
    return load_handlers(modules, folder)


def refused(folder: Path, *modules: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        load(folder, *modules)
    return str(refusal.value)


def test_a_marked_function_becomes_a_handler_named_after_itself(
    write: Write, tmp_path: Path
) -> None:
    write("hooks", "@on('github', 'push', 'issues.*')\ndef deploy(event): return 'called'\n")
    (handler,) = load(tmp_path, "hooks").values()
    assert handler.name == "hooks.deploy"
    assert handler.function("event") == "called"
    assert handler.patterns == (Pattern("github", ("push", "issues.*"), None),)
    assert handler.retry == RetryPolicy()
    assert (handler.time_limit_seconds, handler.queue, handler.concurrency) == (60, "process", None)


def test_a_handler_says_how_it_is_run(write: Write, tmp_path: Path) -> None:
    write(
        "hooks",
        "@on('stripe', where='livemode', name='ledger', attempts=3, time_limit=1.5,\n"
        "    queue='slow', concurrency=2)\n"
        "def book(event): ...\n",
    )
    handler = load(tmp_path, "hooks")["ledger"]
    assert handler.retry == RetryPolicy(attempts=3)
    assert (handler.time_limit_seconds, handler.queue, handler.concurrency) == (1.5, "slow", 2)
    assert handler.patterns[0].where is not None


def test_marking_leaves_a_function_as_it_was() -> None:
    def function(event: Event) -> int:
        return len(event.body)

    assert on("github")(function) is function


def test_an_async_function_is_a_handler_like_any_other(write: Write, tmp_path: Path) -> None:
    write("hooks", "@on('github')\nasync def deploy(event): ...\n")
    assert list(load(tmp_path, "hooks")) == ["hooks.deploy"]


def test_several_marks_make_one_handler_with_several_patterns(write: Write, tmp_path: Path) -> None:
    write("hooks", "@on('github', 'push')\n@on('stripe')\ndef both(event): ...\n")
    (handler,) = load(tmp_path, "hooks").values()
    assert [pattern.source for pattern in handler.patterns] == ["github", "stripe"]


def test_marks_with_different_names_make_different_handlers(write: Write, tmp_path: Path) -> None:
    write("hooks", "@on('a', name='one', attempts=1)\n@on('b', name='two')\ndef f(event): ...\n")
    handlers = load(tmp_path, "hooks")
    assert [(each.name, each.retry.attempts) for each in handlers.values()] == [
        ("one", 1),
        ("two", None),
    ]


def test_handlers_keep_the_order_of_the_modules_and_of_the_lines(
    write: Write, tmp_path: Path
) -> None:
    write("z", "@on('*')\ndef b(event): ...\n@on('*')\ndef a(event): ...\n")
    write("y", "@on('*')\ndef c(event): ...\n")
    assert list(load(tmp_path, "z", "y")) == ["z.b", "z.a", "y.c"]


def test_a_function_imported_by_another_module_is_still_one_handler(
    write: Write, tmp_path: Path
) -> None:
    write("hooks", "@on('*')\ndef a(event): ...\n")
    write("package.__init__", "from hooks import a\nfrom .more import b\nagain = a\n")
    write("package.more", "@on('*')\ndef b(event): ...\n")
    assert list(load(tmp_path, "hooks", "package")) == ["hooks.a", "package.more.b"]


def test_a_wrapped_handler_runs_with_its_wrapper(write: Write, tmp_path: Path) -> None:
    """functools.wraps copies the mark, so what the module calls ``f`` is what runs."""
    write(
        "hooks",
        "import functools\n"
        "def twice(function):\n"
        "    @functools.wraps(function)\n"
        "    def wrapper(event): return function(event) * 2\n"
        "    return wrapper\n"
        "@twice\n@on('*')\ndef f(event): return event\n",
    )
    assert load(tmp_path, "hooks")["hooks.f"].function("e") == "ee"


def test_the_folder_of_the_configuration_comes_first_on_the_path(
    write: Write, tmp_path: Path
) -> None:
    write("hooks", "@on('*')\ndef a(event): ...\n")
    load(tmp_path, "hooks")
    load(tmp_path, "hooks")
    assert sys.path[0] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_no_modules_are_no_handlers() -> None:
    assert load_handlers(()) == {}


def test_two_functions_with_one_name_are_refused(write: Write, tmp_path: Path) -> None:
    write("hooks", "@on('*', name='same')\ndef a(event): ...\n")
    write("more", "@on('*', name='same')\ndef b(event): ...\n")
    message = refused(tmp_path, "hooks", "more")
    assert message.startswith("handlers: more and hooks both have a handler named 'same'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 / 0\n", "handlers: hooks failed while it was imported: ZeroDivisionError"),
        ("import missing_module\n", "hooks needs a module that is missing: No module named"),
        ("def a(event): ...\n", "handlers: hooks marks no function with @on"),
        ("@on('*')\ndef a(): ...\n", "hooks.a must take one argument, the event"),
        ("@on('*')\ndef a(event, context): ...\n", "hooks.a must take one argument, the event"),
        ("@on('*')\ndef a(event): yield\n", "hooks.a is a generator"),
        ("@on('*')\nasync def a(event): yield\n", "hooks.a is a generator"),
        ("@on('*', where='a ==')\ndef a(event): ...\n", "hooks.a: where: 'a ==' is not a JMESPath"),
        ("@on('a')\n@on('b', attempts=2)\ndef a(event): ...\n", "the @on lines of hooks.a differ"),
        (
            "import functools\na = on('*')(functools.partial(print))\n",
            "has no name; give it one: name=",
        ),
        ("@on\ndef a(event): ...\n", 'write @on("github", "push")'),
    ],
)
def test_a_handler_that_could_not_work_is_refused_at_the_start(
    write: Write, tmp_path: Path, text: str, expected: str
) -> None:
    write("hooks", text)
    assert expected in refused(tmp_path, "hooks")


@pytest.mark.parametrize("name", ["absent", "absent.module"])
def test_a_module_that_does_not_exist_is_named(tmp_path: Path, write: Write, name: str) -> None:
    write("present", "@on('*')\ndef a(event): ...\n")
    message = refused(tmp_path, "present", name)
    assert f"there is no module {name!r} beside hookkeeper.toml or installed" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"attempts": 0}, "attempts is a whole number from 1, not 0"),
        ({"attempts": 1.5}, "attempts is a whole number from 1, not 1.5"),
        ({"attempts": True}, "attempts is a whole number from 1, not True"),
        ({"concurrency": 0}, "concurrency is a whole number from 1"),
        ({"time_limit": 0}, "time_limit is in seconds, above 0"),
        ({"time_limit": "60s"}, "time_limit is in seconds, above 0, not '60s'"),
        ({"time_limit": float("inf")}, "time_limit is in seconds"),
        ({"time_limit": float("nan")}, "time_limit is in seconds"),
        ({"queue": "deliver"}, "'deliver' cannot be the queue of a handler"),
        ({"queue": "dispatch"}, "'dispatch' cannot be the queue of a handler"),
        ({"queue": "a b"}, "'a b' cannot be the queue of a handler"),
        ({"queue": "slow.DQ"}, "'slow.DQ' cannot be the queue of a handler"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused_where_it_is_written(
    arguments: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        on("github", **arguments)
    assert expected in str(refusal.value)
    assert "@on('github')" in str(refusal.value)


def test_types_are_written_one_by_one() -> None:
    with pytest.raises(ConfigError, match='write types one by one, "push"'):
        on("github", ["push", "pull"])  # type: ignore[arg-type]  # that it is refused is the point
    with pytest.raises(ConfigError, match="write types one by one"):
        on("github", "")


def test_the_shipped_handler_prints_one_line_and_never_the_body(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = load_handlers(["ingest.demo"])["ingest.demo.show"]
    event = Event(
        id="0190163d-8694-739b-aea5-966c26f8ad91",
        source="github",
        type="",
        provider_event_id=None,
        received_at=0,
        headers=(),
        query="",
        content_type="application/json",
        body=b'{"private": "matter"}',
        trace_id="",
    )
    shown.function(event)
    assert capsys.readouterr().out == (
        "github (no type) 0190163d-8694-739b-aea5-966c26f8ad91 21 bytes\n"
    )


def test_from_ingest_import_on_stays_cheap() -> None:
    """Users' modules and ``hookkeeper --help`` import it: no parser of a file, no jmespath."""
    script = "import sys, ingest; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()}
    assert not loaded & {"pydantic", "jmespath", "sqlalchemy", "dramatiq", "httpx", "starlette"}
    assert "ingest.config" not in done.stdout
