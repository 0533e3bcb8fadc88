"""Who may import whom. Each rule is a function from modules to the sentences that complain."""

import ast
from collections.abc import Callable, Mapping

from tests.rules.modules import PACKAGES, Module, imports, within

Rule = Callable[[Mapping[str, Module]], list[str]]

#: Leaf -> the modules of ours that it may import all the same.
LEAVES = {
    "ingest.errors": (),
    "ingest.events": (),
    "ingest.metrics": (),
    "ingest.logs": ("ingest.errors",),
}
PURE = (
    *("ingest.verify", "ingest.providers", "ingest.signing", "ingest.simulator"),
    *("ingest.backoff", "ingest.lifecycle", "ingest.routing"),
)
IMPURE_IMPORTS = (
    *("starlette", "uvicorn", "dramatiq", "redis", "httpx", "httpcore", "urllib.request"),
    *("sqlalchemy", "alembic", "sqlite3", "psycopg", "prometheus_client", "http.client"),
    *("socket", "subprocess", "threading", "asyncio", "tempfile", "shutil"),
)
IMPURE_CALLS = (
    *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "os.urandom", "open"),
    *("random.random", "random.uniform", "random.randint", "random.choice"),
    *("secrets.token_bytes", "secrets.token_hex", "uuid.uuid4", "uuid_utils.uuid7"),
)
#: Library -> the only modules that may import it.
OWNERS = {
    "sqlalchemy": ("ingest.store",),
    "alembic": ("ingest.store",),
    "sqlite3": ("ingest.store",),
    "psycopg": ("ingest.store",),
    "httpx": ("ingest.outbound", "ingest.cli"),
    "httpcore": ("ingest.outbound",),
    "urllib.request": ("ingest.outbound",),
    "http.client": ("ingest.outbound",),
    "requests": (),
    "aiohttp": (),
    "dramatiq": ("ingest.queue", "actors"),
    "redis": ("ingest.queue", "ingest.cli"),
    "typer": ("ingest.cli",),
    "rich": ("ingest.cli",),
    "prometheus_client": ("ingest.metrics", "ingest.exposition"),
    "pyarrow": ("ingest.export",),
    "obstore": ("ingest.export",),
    "jinja2": ("ingest.templates", "ingest.template_filters"),
    "apprise": ("actors.attempts.apprise", "ingest.config.apprise"),
    "smtplib": ("actors.attempts.email",),
    "cronsim": ("ingest.times",),
    "pickle": (),
    "pytest": ("ingest.testing",),
}
ACTOR_SIBLINGS = (
    *("actors.dispatch", "actors.process", "actors.deliver", "actors.scheduler"),
    *("actors.notify", "actors.export", "actors.bulk_replay", "actors.jobs"),
)


def leaves_are_leaves(modules: Mapping[str, Module]) -> list[str]:
    """Complain about a leaf that imports something of ours."""
    return [
        f"{name} is a leaf and imports {target}"
        for name, allowed in LEAVES.items()
        if name in modules
        for target in sorted(imports(modules[name], modules))
        if within(target, PACKAGES) and target not in allowed
    ]


def pure_modules_are_pure(modules: Mapping[str, Module]) -> list[str]:
    """Complain about input, output, clocks and chance in the modules that decide."""
    complaints = []
    for name, module in modules.items():
        if not within(name, PURE):
            continue
        for target, path in _reached(name, modules).items():
            if within(target, IMPURE_IMPORTS):
                complaints.append(f"{name} is pure and reaches {target} by {' -> '.join(path)}")
        complaints += [
            f"{name}:{node.lineno} is pure and calls {called}(); make it an argument"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call)
            for called in [ast.unparse(node.func)]
            if any(called == bad or called.endswith(f".{bad}") for bad in IMPURE_CALLS)
        ]
    return complaints


def _reached(start: str, modules: Mapping[str, Module]) -> dict[str, tuple[str, ...]]:
    """Return everything that importing a module reaches through ours, with the way to it."""
    found: dict[str, tuple[str, ...]] = {}
    ways: list[tuple[str, ...]] = [(start,)]
    while ways:
        way = ways.pop()
        for target in sorted(imports(modules[way[-1]], modules)):
            if target not in found:
                found[target] = way
                if target in modules:
                    ways.append((*way, target))
    return found


def libraries_stay_with_their_owners(modules: Mapping[str, Module]) -> list[str]:
    """Complain about a library imported outside the modules it belongs to."""
    return [
        f"{name} imports {target}, which belongs to {' and '.join(owners) or 'nobody'}"
        for name, module in modules.items()
        for target in sorted(imports(module, modules))
        for library, owners in OWNERS.items()
        if within(target, (library,)) and not within(name, owners)
    ]


def ingest_never_imports_actors(modules: Mapping[str, Module]) -> list[str]:
    """Complain about the web side knowing the worker side."""
    return [
        f"{name} imports {target}; ingest never imports actors"
        for name, module in modules.items()
        if within(name, ("ingest",))
        for target in sorted(imports(module, modules))
        if within(target, ("actors",))
    ]


def actors_do_not_know_each_other(modules: Mapping[str, Module]) -> list[str]:
    """Complain about an actor that imports another: they talk through ingest.queue."""
    return [
        f"{name} imports {target}; actors talk through ingest.queue"
        for name, module in modules.items()
        if within(name, ACTOR_SIBLINGS)
        for target in sorted(imports(module, modules))
        if within(target, ACTOR_SIBLINGS) and not _same_sibling(name, target)
    ]


def _same_sibling(one: str, other: str) -> bool:
    return one.split(".")[:2] == other.split(".")[:2]


def imports_form_no_cycle(modules: Mapping[str, Module]) -> list[str]:
    """Complain about modules of ours that import each other in a ring, lazily or not."""
    graph = {
        name: sorted(target for target in imports(module, modules) if target in modules)
        for name, module in modules.items()
    }
    done: set[str] = set()
    complaints: list[str] = []

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            complaints.append("import cycle: " + " -> ".join((*way[way.index(name) :], name)))
        elif name not in done:
            for target in graph[name]:
                visit(target, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())
    return complaints
