"""What may be in the tree: names, sizes, places, and what no file may mention."""

import re
import tomllib
from collections.abc import Iterable, Mapping

MODULE_LINES = 400
TEST_LINES = 500
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "LICENSE", "Procfile"),
    *("ingest", "actors", "tests", "ops"),
}
FORBIDDEN_WORDS = {
    *("utils", "util", "common", "helpers", "helper", "core", "base"),
    *("manager", "managers", "misc", "stuff", "lib"),
}
# Written in two halves, or this file would break its own rule.
REGISTRY_HOSTS = tuple(
    name + "." + domain
    for name, domain in [
        *(("pypi", "org"), ("pythonhosted", "org"), ("pypi", "python.org")),
        *(("registry.npmjs", "org"), ("registry.yarnpkg", "com"), ("proxy.golang", "org")),
        *(("deb.debian", "org"), ("security.debian", "org"), ("snapshot.debian", "org")),
        *(("archive.ubuntu", "com"), ("crates", "io"), ("conda.anaconda", "org")),
    ]
)
MACHINE_PATH = re.compile(
    r"(?<![\w./:~*-])/(?:work|root|home/\w+|Users/\w+|opt/\w+|tmp/\w+)(?=[/\s\"'`)]|$)"
)
#: Other people's data, kept as it came.
VERBATIM = ("tests/samples/", "ingest/samples/")


def long_files(lines: Mapping[str, int]) -> list[str]:
    """Complain about Python files over the limit; the key is the path, the value its lines."""
    return [
        f"{path} has {count} lines; the limit is {limit}"
        for path, count in lines.items()
        if path.endswith(".py")
        for limit in [TEST_LINES if path.startswith("tests/") else MODULE_LINES]
        if count > limit
    ]


def names_without_meaning(paths: Iterable[str]) -> list[str]:
    """Complain about files and folders that are named for nothing: utils, common, helpers."""
    return [
        f"{path}: {part!r} says nothing; name the thing it holds"
        for path in paths
        for part in path.split("/")
        if FORBIDDEN_WORDS & set(re.split(r"[_.\-]", part.lower()))
    ]


def strangers_at_the_top(paths: Iterable[str]) -> list[str]:
    """Complain about entries beside the fixed top level; names with a dot in front are free."""
    tops = {path.split("/")[0] for path in paths}
    return [
        f"{top} is not part of the fixed top level"
        for top in sorted(tops - TOP_LEVEL)
        if top[0] != "."
    ]


def traces_of_a_machine(texts: Mapping[str, str]) -> list[str]:
    """Complain about package registries and absolute paths of somebody's machine."""
    complaints = []
    for path, text in texts.items():
        if path.startswith(VERBATIM):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            found = [host for host in REGISTRY_HOSTS if host in line]
            found += [match.group() for match in MACHINE_PATH.finditer(line)]
            complaints += [f"{path}:{number} mentions {what}" for what in found]
    return complaints


def dependencies_without_a_reason(pyproject: str) -> list[str]:
    """Complain about a dependency whose line has no comment, or that shares its line."""
    project = tomllib.loads(pyproject)["project"]
    groups = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
    lines = pyproject.splitlines()
    complaints = []
    for requirement in (one for group in groups for one in group):
        line = next(line for line in lines if f'"{requirement}"' in line)
        if not re.search(r"#\s*\w+", line.split(f'"{requirement}"', 1)[1]):
            complaints.append(f"{requirement} has no reason beside it")
    return complaints


def undocumented(names: Iterable[str], readme: str) -> list[str]:
    """Complain about settings whose whole name the README does not have."""
    words = set(re.findall(r"\w+", readme))
    return [f"{name} is not in README.md" for name in names if name not in words]
