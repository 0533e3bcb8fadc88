"""Every entry whose digest is a line of ``digests.txt``: what it sends, made here.

Nothing of ours signs. The facts are those of the providers' documentation, in words of their own:

    slug | algorithm | key | what is signed | headers, or ?query | "old" where a time ends it

``{hex}``, ``{HEX}``, ``{base64}`` and ``{base64url}`` stand for the digest, ``{s}``, ``{ms}`` and
``{iso}`` for the time, ``{id}`` for the message's id. The key is the secret as text (``utf8``,
``utf8&`` with an ampersand behind it), or what its ``hex``, its ``base64``, or its ``base64``
behind ``whsec_`` or ``v1,whsec_`` says.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.unit.verify.builders.judging import NOW, Sent

Edit = Callable[[str], str | None]
URL = "https://hooks.example.com/in/source"


@dataclass(frozen=True)
class Fact:
    """One line of the table."""

    slug: str
    algorithm: str
    key: str
    content: str
    carried: str
    grows_old: bool

    def secret(self, number: int) -> str:
        """One of several secrets, in the form in which the provider hands them out."""
        raw = hashlib.sha256(f"secret {number}".encode()).digest()
        if self.key == "hex":
            return raw.hex()
        if self.key.startswith("utf8"):
            return f"secret-{raw.hex()[:32]}"
        prefix = {"whsec": "whsec_", "v1,whsec": "v1,whsec_"}.get(self.key, "")
        return prefix + base64.b64encode(raw).decode()

    def send(self, secret: str, number: int, edit: Edit, at: int = NOW) -> Sent:
        """The message of that number as it leaves at a second; ``edit`` changes its digest."""
        body = self.body(number, at)
        words = {**_times(at), "id": f"msg-{number}", "url": URL}
        signed = _filled(self.content, words).encode().replace(b"{body}", body)
        digest = hmac.new(self._key(secret), signed, self.algorithm).digest()
        headers: dict[str, str] = {"Content-Type": "application/json"}
        url = URL
        for part in self.carried.split("; "):
            name, _, form = part.partition(": ") if ": " in part else ("", "", part)
            value = _carried(form, digest, words, edit)
            if value is None:
                continue
            if name:
                headers[name] = value
            else:
                url += value
        return Sent(self.slug, body, headers, secret, url, now=at)

    @staticmethod
    def body(number: int, at: int) -> bytes:
        """A body with the times that Linear and Pusher sign inside it, and GoCardless' events."""
        stamps = f'"webhookTimestamp":{at * 1_000},"time_ms":{at * 1_000}'
        return f'{{"id":"evt_{number}","type":"thing.made","events":[],{stamps}}}'.encode()

    def _key(self, secret: str) -> bytes:
        match self.key:
            case "hex":
                return bytes.fromhex(secret)
            case "base64":
                return base64.b64decode(secret)
            case "whsec" | "v1,whsec":
                return base64.b64decode(secret.rpartition("whsec_")[2])
            case "utf8&":
                return f"{secret}&".encode()
            case _:
                return secret.encode()


def _times(at: int) -> Mapping[str, str]:
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return {"s": str(at), "ms": str(at * 1_000), "iso": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _filled(form: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        form = form.replace(f"{{{word}}}", value)
    return form


def _carried(form: str, digest: bytes, words: Mapping[str, str], edit: Edit) -> str | None:
    encoded = {
        "hex": digest.hex(),
        "HEX": digest.hex().upper(),
        "base64": base64.b64encode(digest).decode(),
        "base64url=": base64.urlsafe_b64encode(digest).decode(),
        "base64url": base64.urlsafe_b64encode(digest).decode().rstrip("="),
    }
    for word, value in encoded.items():
        if f"{{{word}}}" in form:
            edited = edit(value)
            words = {**words, word: edited or ""}
            if edited is None:
                return None
    return _filled(form, words)


def _read() -> Mapping[str, Fact]:
    lines = (Path(__file__).parent / "digests.txt").read_text().splitlines()
    cells = [line.split(" | ") for line in lines]
    return {
        slug: Fact(slug, algorithm, key, content, carried, old == "old")
        for slug, algorithm, key, content, carried, old in cells
    }


FACTS = _read()
