"""Templates of messages for people: Jinja2 in a small, sandboxed and bounded language.

What a template names is checked when it is compiled: its place (line), what is unknown, what is
not available. What it does is bounded when it is rendered, by counting and not by the clock: so
many turns of loops and calls, so many characters. So no template holds a worker, however it is
written and whatever a sender put into the event; senders' text never becomes HTML or markup.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateRuntimeError,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2 import Template as Compiled
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context
from markupsafe import Markup

from ingest.config.mistakes import did_you_mean
from ingest.errors import HookkeeperError
from ingest.event_view import FIELDS, EventView
from ingest.template_filters import FILTERS, TEXT_LIMIT, TooMuch, as_text, fits

#: Turns of loops, and calls, of one rendering. The longest message that people read takes fewer.
STEP_LIMIT = 20_000
SOURCE_LIMIT = 64_000  # characters of a template itself

#: What a template is given.
VARIABLES = ("event", "events", "count", "more", "destination")

_METER = "the meter"  # no template can name a variable that has a blank
_FILE = "<template>"  # as Jinja2 calls what came from no file

_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        (
            *("startswith", "endswith", "lower", "upper", "strip", "lstrip", "rstrip", "split"),
            *("splitlines", "partition", "rpartition", "removeprefix", "removesuffix", "title"),
            *("capitalize", "find", "count", "isdigit"),
        )
    ),
    dict: frozenset({"items", "keys", "values", "get"}),
    list: frozenset({"index", "count"}),
}
_LANGUAGE = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign),
    *(nodes.AssignBlock, nodes.With, nodes.FilterBlock, nodes.Const, nodes.Name, nodes.NSRef),
    *(nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Filter, nodes.Test),
    *(nodes.Call, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat, nodes.Compare),
    *(nodes.Operand, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Add, nodes.Sub, nodes.Mod),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.CondExpr),
)
_GLOBALS = ("range", "namespace")


class TemplateRefused(HookkeeperError):
    """A template that cannot be used. ``line`` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


class TemplateFailed(HookkeeperError):
    """A template could not be rendered for these events; its message names the line."""


class Template:
    """A compiled template. Made by ``plain``, ``html`` or ``slack``."""

    def __init__(self, compiled: Compiled, finish: Callable[[str], str] = str) -> None:
        self._compiled = compiled
        self._finish = finish

    def render(self, variables: Mapping[str, Any]) -> str:
        """Write the message. Raises TemplateFailed, whatever the events hold."""
        compiled = self._compiled
        context = compiled.new_context({**variables, _METER: _Meter()})
        try:
            return self._finish("".join(compiled.root_render_func(context)))
        except (
            TemplateError,
            TooMuch,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            raise TemplateFailed(f"The template failed: {_place(error)}{error}") from error
        except RecursionError as error:
            raise TemplateFailed(
                "The template failed: what it writes is nested too deep"
            ) from error


def plain(source: str) -> Template:
    """Compile a template of text. Raises TemplateRefused."""
    return _compiled(_Language(autoescape=False), source)


def html(source: str) -> Template:
    """Compile a template of HTML: what it writes of an event is escaped. Raises TemplateRefused."""
    return _compiled(_Language(autoescape=True), source)


def slack(source: str) -> Template:
    """Compile a template of Slack's mrkdwn: no event can mention or link. Raises TemplateRefused.

    https://api.slack.com/reference/surfaces/formatting#escaping: as HTML, but for the quotes,
    which Slack would show escaped.
    """
    return _compiled(_Language(autoescape=True), source, _with_plain_quotes)


class _Meter:
    """What one rendering has used."""

    def __init__(self) -> None:
        self._steps = 0
        self._size = 0

    def step(self) -> None:
        self._steps += 1
        if self._steps > STEP_LIMIT:
            raise TooMuch(f"it takes more than {STEP_LIMIT:,} steps")

    def write(self, size: int) -> None:
        self._size += size
        if self._size > TEXT_LIMIT:
            raise TooMuch(f"it writes more than {TEXT_LIMIT:,} characters")


class _Language(ImmutableSandboxedEnvironment):
    """Jinja2 without what a message does not need, and with everything else counted."""

    intercepted_binops = frozenset({"*", "+", "%"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            undefined=StrictUndefined,
            finalize=_finalize,
            autoescape=autoescape,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.filters = {
            **{name: self.filters[name] for name in _JINJA_FILTERS},
            **FILTERS,
            "metered": _metered,
            "concatenated": _concatenated,
        }
        self.globals = {name: self.globals[name] for name in _GLOBALS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Prefer what a payload has: ``event.json.items`` is its key and no method."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:  # noqa: ARG002 - Jinja2's signature
        """Leave ``str.format`` to ``is_safe_attribute``: a width in it has no bound."""
        return

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - Jinja2's signature
        """Allow what is listed, and nothing else of any object."""
        if isinstance(obj, EventView):
            return attr in FIELDS
        if isinstance(obj, LoopContext | Namespace):
            return not attr.startswith("_")
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 - Jinja2's signature: a keyword may be named self
        """Count the call."""
        _meter(__context).step()
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse results that would not fit, before they are made."""
        if operator == "%" and isinstance(left, str):
            raise TemplateRuntimeError("text % values is not available; join them with ~")
        if operator == "*":
            fits(left, right)
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, str | list | tuple) and len(result) > TEXT_LIMIT:
            raise TooMuch(f"it makes more than {TEXT_LIMIT:,} characters of text")
        return result


#: Jinja2's own that stay: each reads what it is given once.
_JINJA_FILTERS = (
    *("abs", "default", "d", "count", "length", "first", "last", "list", "items", "dictsort"),
    *("sort", "unique", "reverse", "map", "select", "reject", "selectattr", "rejectattr"),
    *("int", "float", "min", "max", "groupby"),
)


def _compiled(language: _Language, source: str, finish: Callable[[str], str] = str) -> Template:
    if len(source) > SOURCE_LIMIT:
        raise TemplateRefused(1, f"it is longer than {SOURCE_LIMIT:,} characters")
    try:
        tree = language.parse(source)
        _check_language(tree, language)
        _check_names(tree)
        return Template(language.from_string(_counted(tree)), finish)
    except TemplateSyntaxError as error:
        raise TemplateRefused(error.lineno, error.message or "it is no template") from None


def _check_language(tree: nodes.Template, language: _Language) -> None:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _LANGUAGE) or (isinstance(node, nodes.For) and node.recursive):
            word = type(node).__name__.lower()
            raise TemplateRefused(node.lineno, f"{word} is not available in these templates")
        if isinstance(node, nodes.Filter):
            _check_known(node, "filter", set(language.filters) - {"metered", "concatenated"})
        if isinstance(node, nodes.Test):
            _check_known(node, "test", language.tests.keys())


def _check_known(node: nodes.Filter | nodes.Test, noun: str, known: Iterable[str]) -> None:
    if node.name not in known:
        hint = did_you_mean(node.name, known)
        raise TemplateRefused(node.lineno, f"there is no {noun} {node.name!r}; {hint}")


def _check_names(tree: nodes.Template) -> None:
    known = (*VARIABLES, *_GLOBALS)
    unknown = meta.find_undeclared_variables(tree) - set(known)
    for node in tree.find_all(nodes.Name):
        if node.name in unknown:
            hint = did_you_mean(node.name, known)
            raise TemplateRefused(node.lineno, f"there is no {node.name!r} here; {hint}")
    for asked in tree.find_all(nodes.Getattr):
        of_event = isinstance(asked.node, nodes.Name) and asked.node.name == "event"
        if of_event and asked.attr not in FIELDS:
            hint = did_you_mean(asked.attr, FIELDS)
            raise TemplateRefused(asked.lineno, f"an event has no {asked.attr!r}; {hint}")


def _counted(tree: nodes.Template) -> nodes.Template:
    """Let every loop count its turns and what it writes, and every ``~`` what it joins."""
    for loop in list(tree.find_all(nodes.For)):
        size = sum(len(text.data) for text in loop.find_all(nodes.TemplateData))
        loop.iter = _filtered(loop.iter, "metered", nodes.Const(size), loop.lineno)
    for node in list(tree.find_all(nodes.Node)):
        for name, value in node.iter_fields():
            if isinstance(value, nodes.Concat):
                setattr(node, name, _concatenation(value))
            elif isinstance(value, list):
                changed = [_concatenation(v) if isinstance(v, nodes.Concat) else v for v in value]
                setattr(node, name, changed)
    return tree


def _concatenation(node: nodes.Concat) -> nodes.Filter:
    return _filtered(nodes.List(node.nodes, lineno=node.lineno), "concatenated", None, node.lineno)


def _filtered(
    node: nodes.Node, name: str, argument: nodes.Expr | None, lineno: int
) -> nodes.Filter:
    arguments = [] if argument is None else [argument]
    assert isinstance(node, nodes.Expr), "a loop goes over an expression"
    return nodes.Filter(node, name, arguments, [], None, None, lineno=lineno)


def _meter(context: Context) -> _Meter:
    meter = context.parent[_METER]
    assert isinstance(meter, _Meter), "Template.render gives every rendering a meter"
    return meter


@pass_context
def _metered(context: Context, values: Iterable[Any], size: int) -> Iterator[Any]:
    meter = _meter(context)
    for value in values:
        meter.step()
        meter.write(size)
        yield value


@pass_context
def _concatenated(context: Context, parts: Iterable[Any]) -> str:
    meter = _meter(context)
    meter.step()
    texts = [as_text(part) for part in parts]
    meter.write(sum(map(len, texts)))
    if context.eval_ctx.autoescape:
        return Markup("").join(texts)  # escapes what is not markup already
    return "".join(texts)


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    text = as_text(value)
    _meter(context).write(len(text))
    return text


def _with_plain_quotes(text: str) -> str:
    return text.replace("&#39;", "'").replace("&#34;", '"')


def _place(error: BaseException) -> str:
    """Name the template's line that raised, from the traceback: Jinja2's code keeps a table."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_filename == _FILE:
            template = frame.f_globals.get("__jinja_template__")
            line = template.get_corresponding_lineno(trace.tb_lineno) if template else line
        trace = trace.tb_next
    return f"line {line}: " if line else ""
