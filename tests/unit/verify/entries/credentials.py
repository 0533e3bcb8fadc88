"""Every entry that sends a fixed token or a user with a password, by the lines of ``tokens.txt``.

slug | a header, ?query, or the body that carries {secret}; {basic} for user and password
"""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.unit.verify.builders.judging import Sent

FOLDER = Path(__file__).parent
Edit = Callable[[str], str | None]


def send(slug: str, form: str, secret: str, edit: Edit) -> Sent:
    """A message whose token ``edit`` changed, or left out with None."""
    basic = "{basic}" in form
    token = edit(base64.b64encode(secret.encode()).decode() if basic else secret)
    text = form.replace("{basic}" if basic else "{secret}", token or "")
    sent = Sent(slug, b'{"id":"evt_1"}', {"Content-Type": "application/json"}, secret)
    if form.startswith("?"):
        return sent if token is None else sent.but(url=sent.url + text)
    if form.startswith("{"):
        return sent.but(body=b'{"other":"member"}' if token is None else text.encode())
    if form.startswith("data="):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        body = b"data={}" if token is None else text.encode()
        return sent.but(body=body, headers=kind)
    name, _, value = text.partition(": ")
    return sent if token is None else sent.with_header(name, value)


def secret_of(form: str, number: int) -> str:
    return f"user:pass:{number}" if "{basic}" in form else f"a-token-of-source-{number}"


def _read() -> Mapping[str, str]:
    lines = (FOLDER / "tokens.txt").read_text().splitlines()
    return dict(line.split(" | ", 1) for line in lines)


FORMS = _read()
UNSIGNED = frozenset((FOLDER / "unsigned.txt").read_text().split())
