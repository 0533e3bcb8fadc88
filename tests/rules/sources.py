"""What the text of a Python file may hold."""

import ast
import re

SLEEPS = ("time.sleep", "asyncio.sleep", "anyio.sleep", "sleep")
SKIPS = ("skip", "skipif", "xfail", "importorskip", "skipIf", "skipUnless", "expectedFailure")
EXEMPTION = re.compile(r"#\s*(?:noqa|type:\s*ignore|ruff:\s*noqa|pragma)(?P<rest>.*)")
CODES = re.compile(r"^\s*(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*|\[[\w\-, ]+\])")


def sleeps(path: str, text: str) -> list[str]:
    """Complain about waiting for a duration; tests wait for a condition."""
    return [
        f"{path}:{node.lineno} sleeps; wait for the condition with tests.waiting.wait_until"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in SLEEPS
    ]


def skips(path: str, text: str) -> list[str]:
    """Complain about a test that may not run or may fail: a missing service is an error."""
    return [
        f"{path}:{node.lineno} uses {ast.unparse(node)}; a test runs, and passes"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and node.attr in SKIPS
        and ast.unparse(node.value) in ("pytest", "pytest.mark", "unittest")
    ]


def exemptions_without_a_reason(path: str, text: str) -> list[str]:
    """Complain about a noqa or type: ignore that names no code, or gives no reason after it."""
    complaints = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = EXEMPTION.search(line)
        if match is None:
            continue
        codes = CODES.match(match["rest"])
        reason = match["rest"][codes.end() :].strip(" -#:;") if codes else ""
        if not codes or len(reason) < 4:
            complaints.append(f"{path}:{number} exempts itself without code and reason")
    return complaints
