"""A handshake as one sentence: what is asked, and what is answered."""

from collections.abc import Iterator

from ingest.providers import spelling
from ingest.verify.handshakes.conditions import Condition
from ingest.verify.handshakes.shape import Handshake


def sentence(handshake: Handshake) -> str:
    """``GET with query:challenge: answered 200, text {query:challenge}``."""
    asked = ", ".join(_asked(handshake))
    methods = " or ".join(handshake.method)
    question = f"{methods} with {asked}" if asked else methods
    return f"{question}: {', '.join(_answered(handshake))}"


def _asked(handshake: Handshake) -> Iterator[str]:
    yield from map(_condition, handshake.when)
    if handshake.names:
        yield f"no names but {', '.join(sorted(handshake.names))}"
    if handshake.empty:
        yield f"nothing at {', '.join(map(spelling.atom, handshake.empty))}"
    if handshake.sealed:
        yield "an encrypted challenge"


def _condition(one: Condition) -> str:
    place = spelling.place(one.place)
    match one.kind:
        case "absent":
            return f"no {place}"
        case "equal":
            return f"{place} = {one.text}"
        case "matching":
            return f"{place} of the right form"
        case "known":
            return f"the {place} that the source has"
        case "present":
            return place


def _answered(handshake: Handshake) -> Iterator[str]:
    proved = " if it is proved" if handshake.signed else ""
    yield f"answered {handshake.status}{proved}"
    if handshake.text is not None:
        yield f"text {spelling.reply(handshake.text)}"
    if handshake.document is not None:
        yield f"JSON {spelling.document(handshake.document)}"
    for name, value in handshake.headers.items():
        yield f"header {name}: {spelling.reply(value)}"
    if handshake.learns is not None:
        yield f"and the secret in {spelling.atom(handshake.learns)} is learned"
    if handshake.confirm is not None:
        yield f"and the address in {spelling.atom(handshake.confirm)} is fetched"
