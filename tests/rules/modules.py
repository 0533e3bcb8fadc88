"""The project's Python modules as text and syntax trees, and what each one imports."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("ingest", "actors")


@dataclass(frozen=True)
class Module:
    """One file of Python: its dotted name and its text."""

    name: str
    text: str
    package: bool = False

    @property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text)


def product_modules(root: Path) -> dict[str, Module]:
    """Read every module of ``ingest`` and ``actors``."""
    return {
        module.name: module
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
        for module in [_read(root, path)]
    }


def _read(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if package else parts), path.read_text("utf-8"), package)


def imports(module: Module, known: Iterable[str]) -> set[str]:
    """Return the dotted names a module imports, in functions too, but not only for types.

    ``from ingest import metrics`` is ``ingest.metrics`` where ``known`` has such a module, and
    ``ingest`` where it is a name inside of it.
    """
    names = set(known)
    found: set[str] = set()
    for node in _running_code(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            full = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {name if name in names else origin for name in full}
    return found - {module.name}


def _running_code(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield other
                yield from _running_code(other)
            continue
        yield node
        yield from _running_code(node)


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level + (1 if module.package else 0)]
    return ".".join([*base, *([node.module] if node.module else [])])


def within(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a dotted name is one of the prefixes or lies below one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
