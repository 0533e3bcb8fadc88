"""A digest, a token or a secret is compared by ``hmac.compare_digest`` and by nothing else.

No guess by names: in all that verifies, two things that are only known at run time may be compared
in the open where this file says so, and why.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import ingest.verify

PACKAGE = Path(ingest.verify.__file__).parent
#: What proves senders, and the console's own door.
MODULES = [
    *sorted(PACKAGE.rglob("*.py")),
    *(PACKAGE.parent / name for name in ("credentials.py", "restoring.py", "vault.py")),
    *(PACKAGE.parent / "console" / name for name in ("token.py", "gate.py")),
]
COMPARING = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
#: Methods of text and bytes that stop at the first difference.
SEARCHING = {
    *("startswith", "endswith", "find", "rfind", "index", "rindex", "count", "partition"),
    *("rpartition", "removeprefix", "removesuffix", "split", "rsplit", "replace", "strip"),
}
SIZES = {"len", "type", "bool", "isinstance"}
#: What must not be looked up: a dictionary compares keys, and stops early.
SECRET_WORDS = {"signature", "signatures", "digest", "secret", "secrets", "token", "sent", "made"}

#: Comparisons of two run-time values, of which neither proves anything: module, as ast writes it.
INNOCENT = {
    # Names, methods, places and words of an entry.
    ("asymmetric.py", "_DIGESTS[self.digest]"),
    ("asymmetric.py", "self.curve in (None, key.curve.name)"),
    ("carrier.py", "text.replace(provider.set_separator, provider.separator)"),
    ("carrier.py", "text.split(provider.separator, MOST_SIGNATURES + 1)"),
    ("carrier.py", "key in provider.signature_key"),
    ("carrier.py", "name.lower().startswith(prefix)"),
    ("carrier.py", "part.partition(provider.assignment)"),
    ("catalogue/__init__.py", "slug in rows"),
    ("catalogue/__init__.py", "slug in self._rows"),
    ("catalogue/__init__.py", "slug not in self._compiled"),
    ("checks.py", "(provider.algorithm_place is None) != (not provider.algorithms)"),
    ("checks.py", "atom in provider.content.atoms"),
    ("checks.py", "signed != places"),
    ("claims.py", "item.startswith(provider.prefix)"),
    ("claims.py", "item[len(provider.prefix):].removeprefix(provider.optional_prefix)"),
    ("claims.py", "name in provider.content.atoms"),
    ("content.py", "self.pieces == (Part('body'),)"),
    ("credentials.py", "name in names"),
    ("credentials.py", "unquote_plus(name) not in names"),
    ("entry.py", "atom in self.content.places"),
    ("entry.py", "atom in self.signed_places"),
    ("entry.py", "key in self.content.atoms"),
    ("families/json_web_token.py", "PAIRED[token.algorithm]"),
    ("families/json_web_token.py", "key.algorithm in (None, token.algorithm)"),
    ("families/json_web_token.py", "token.algorithm not in provider.token_algorithms"),
    ("gate.py", "scope['path'] in self._public"),
    ("handshakes/acknowledging.py", "one.name != proving"),
    ("handshakes/answering.py", "one.name != proving"),
    ("handshakes/answering.py", "request.method in handshake.method"),
    ("handshakes/configured.py", "name not in taken.values()"),
    ("key_set.py", "key.key_id in (None, key_id)"),
    ("key_set.py", "url.partition(parts.netloc)"),
    ("key_source.py", "(self.url is None) == (self.place is None)"),
    ("keys.py", "_DECODERS[secret_format]"),
    ("lines.py", "text.removeprefix(marked)"),
    ("families/static_token.py", "sent.removeprefix(provider.prefix)"),
    (
        "token_claims.py",
        "_path(request.url).removeprefix(reading.options.get('base_path', '').rstrip('/'))",
    ),
    ("token_claims.py", "name in claims"),
    ("token_claims.py", "name not in claims"),
    ("url_and_form.py", "parts.netloc.removesuffix(f':{port}')"),
    # A secret of the configuration, taken apart before any request is looked at.
    ("usable.py", "value.split(separator.encode())"),
    # Two parts of one request, which its sender knows both: whether they contradict each other.
    (
        "builders/claiming.py",
        "provider.separator.join(values).split(provider.separator, _MOST_PAIRS)",
    ),
    (
        "builders/claiming.py",
        "provider.separator.join(values).split(provider.separator, _MOST_SIGNATURES)",
    ),
    ("builders/claiming.py", "pairs.setdefault(name, value) != value"),
    ("builders/contentful.py", "name == name.lower()"),
    ("builders/json_text.py", "value in (float('inf'), float('-inf'))"),
    ("builders/raw_slices.py", "name in members"),
    (
        "builders/raw_slices.py",
        "reading.request.body.split(auth.encode('utf-8', 'surrogatepass'))",
    ),
    ("builders/raw_slices.py", "text[at] != mark"),
    ("carrier.py", "pairs.setdefault(key, value) != value"),
    ("cleaning.py", "cleaned == text"),
    ("handshakes/conditions.py", "parsed_at(reading.request.body, atom) in ([], {}, '')"),
    ("handshakes/conditions.py", "value[0] == value[-1] == '/'"),
    ("handshakes/shape.py", "mark in body"),
    ("multipart.py", "(b'\\r\\n' + body).split(b'\\r\\n' + first[1])"),
    # What an entry or an option says openly: a version, a topic, an issuer, a word of a handshake.
    ("builders/aws_sns.py", "message['TopicArn'] != topic"),
    ("builders/box.py", "sole(reading.request.all(name)) != value"),
    ("builders/braintree.py", "name == public_key"),
    ("handshakes/conditions.py", "value == self.text"),
    ("token_claims.py", "each in expected"),
}


def _fixed(node: ast.expr) -> bool:
    """Whether a value is written in the code, or is a size or a kind of something."""
    match node:
        case ast.Constant():
            return True
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all(map(_fixed, parts))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").isupper()
        case ast.UnaryOp(operand=value) | ast.Subscript(value=value):
            return _fixed(value)
        case ast.BinOp(left=left, right=right):
            return _fixed(left) and _fixed(right)
        case _:
            return isinstance(node, ast.Call) and ast.unparse(node.func) in SIZES


def _words(node: ast.expr) -> set[str]:
    match node:
        case ast.Name(id=name):
            return set(name.lower().split("_"))
        case ast.Attribute(value=value, attr=name):
            return set(name.lower().split("_")) | _words(value)
        case ast.Call(func=function):
            return _words(function)
        case _:
            return set()


def _is_open(node: ast.AST) -> bool:
    """Whether something is compared that may stop at the first difference."""
    match node:
        case ast.Compare(left=left, ops=operators, comparators=others):
            sides = [left, *others]
            return any(
                isinstance(operator, COMPARING) and not (_fixed(one) or _fixed(other))
                for operator, one, other in zip(operators, sides, others, strict=False)
            )
        case ast.Call(func=ast.Attribute(attr=name), args=[given, *_]) if name in SEARCHING:
            return not _fixed(given)
        case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[key, *_]):
            return bool(_words(key) & SECRET_WORDS)
        case ast.Subscript(value=value, slice=key):  # not list[Secret], which is a type
            return bool(_words(key) & SECRET_WORDS) and not ast.unparse(key)[0].isupper()
        case ast.MatchValue(value=value):
            return not _fixed(value)
        case _:
            return False


def _open_comparisons(source: str) -> Iterator[str]:
    return (ast.unparse(node) for node in ast.walk(ast.parse(source)) if _is_open(node))


def _known(module: Path, comparison: str) -> bool:
    return any(
        module.as_posix().endswith(f"/{name}") and comparison == each for name, each in INNOCENT
    )


def test_no_module_compares_what_proves_in_the_open() -> None:
    found = {
        f"{module.name}: {comparison}"
        for module in MODULES
        for comparison in _open_comparisons(module.read_text())
        if not _known(module, comparison)
    }
    assert found == set()


def test_nothing_is_excused_that_is_no_longer_there() -> None:
    there = {
        (name, each)
        for module in MODULES
        for each in _open_comparisons(module.read_text())
        for name, _ in INNOCENT
        if module.as_posix().endswith(f"/{name}")
    }
    assert INNOCENT - there == set()


def test_the_check_itself_sees_open_comparisons() -> None:
    for wrong in (
        "signature == expected",
        "a == b",
        "made != request_token",
        "secret.value in known",
        "hmac.digest(key, body, 'sha256') == x",
        "x == mac.hexdigest()",
        "raw.startswith(expected)",
        "raw.endswith(expected)",
        "carried.find(ours)",
        "carried.count(ours)",
        "1 < 2 == ours != theirs",
        "sources[token]",
        "sources.get(request.token)",
        "known.pop(signature)",
        "header.split(ours)",
    ):
        assert list(_open_comparisons(wrong)) == [wrong], wrong
    matched = "match sent:\n    case secret.value:\n        pass"
    assert list(_open_comparisons(matched)) == ["secret.value"]
    for right in (
        "len(signature) == length",
        "kind == 'der'",
        "x.startswith('sha256=')",
        "d[name]",
    ):
        assert list(_open_comparisons(right)) == []


def test_what_proves_is_compared_somewhere() -> None:
    """A compare_digest that is lost would leave nothing to find."""
    calls = [
        node
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "hmac.compare_digest"
    ]
    assert len(calls) >= 14


#: What may stop early: Ed25519, where key and signatures are public.
LAZY = {"any((_proves(public_key, signature, content) for signature in signatures))"}


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
