"""A digest, a token or a secret is compared by ``hmac.compare_digest`` and by nothing else."""

import ast
from pathlib import Path

import ingest.verify

PACKAGE = Path(ingest.verify.__file__).parent
MODULES = [*sorted(PACKAGE.rglob("*.py")), PACKAGE.parent / "handshake.py"]

#: Words in the names of what must not be compared in the open.
SECRET_WORDS = {"signature", "digest", "secret", "token", "key", "sent", "made", "candidate"}
DIGEST_CALLS = {"digest", "hexdigest", "make_signature", "b64encode", "encode"}
COMPARING = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)

#: Comparisons that read like one and are none: `expression` as ast writes it, and why.
INNOCENT = {
    "key == provider.signature_key",  # the name "v1" of a pair, not a key
    "(self.carrier == 'pairs') != (self.signature_key is not None)",
    "key in self.content.atoms",  # the name "ts" or "id" of an atom
    "key.lower() == wanted",  # the name of a header
}


def _names(node: ast.expr) -> set[str]:
    """The words in a name, an attribute chain or a call; constants in capitals are sizes."""
    match node:
        case ast.Name(id=name):
            return set() if name.isupper() else set(name.lower().split("_"))
        case ast.Attribute(value=value, attr=name):
            return set(name.lower().split("_")) | _names(value)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return {"digest"} if name in DIGEST_CALLS else set()
        case ast.Subscript(value=value):
            return _names(value)
        case _:
            return set()


def _open_comparisons(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], COMPARING):
            continue
        if any(_names(side) & SECRET_WORDS for side in (node.left, *node.comparators)):
            found.append(ast.unparse(node))
    return found


def test_no_module_compares_a_secret_in_the_open() -> None:
    found = {
        f"{module.name}: {comparison}"
        for module in MODULES
        for comparison in _open_comparisons(module.read_text())
        if comparison not in INNOCENT
    }
    assert found == set()


def test_the_check_itself_sees_open_comparisons() -> None:
    for wrong in (
        "signature == expected",
        "expected != request_token",
        "secret.value in known",
        "hmac.digest(key, body, 'sha256') == x",
        "x == mac.hexdigest()",
    ):
        assert _open_comparisons(wrong) == [wrong]
    assert _open_comparisons("len(signature) == length") == []


#: What may stop early: Ed25519, where key and signatures are public, and a look at the catalogue.
LAZY = {
    "any((_proves(public_key, signature, content) for signature in signatures))",
    "any((place.place == 'signature' for place in places))",
}


def test_no_family_stops_at_its_first_match() -> None:
    """``any`` over a generator would: the time would tell which secret matched."""
    lazy = {
        ast.unparse(node)
        for module in MODULES
        if module.parent.name == "families"
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("any", "all", "next")
        and isinstance(node.args[0], ast.GeneratorExp)
    }
    assert lazy == LAZY
