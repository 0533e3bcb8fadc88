"""The request that every side gets: a real GitHub event of 2 KB, signed, with an id of its own."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

SECRET = b"It is a secret"
SIZE = 2048
#: Stands where each request has its own X-GitHub-Delivery; as long as one, so that nothing moves.
DELIVERY = b"@" * 36
_EXAMPLES = Path(__file__).parents[2] / "tests" / "samples" / "github_examples.jsonl"


@dataclass(frozen=True, slots=True)
class Event:
    """What GitHub would send: the name of the event and its body."""

    name: str
    body: bytes


@cache
def github_event() -> Event:
    """Return the example of GitHub's own documentation whose body is nearest to 2 KB."""
    lines = _EXAMPLES.read_text(encoding="utf-8").splitlines()
    return min(map(_event, lines), key=lambda event: abs(len(event.body) - SIZE))


def headers(event: Event, delivery: str, secret: bytes = SECRET) -> dict[str, str]:
    """Return the headers that GitHub sends with an event."""
    digest = hmac.new(secret, event.body, hashlib.sha256).hexdigest()
    return {
        "User-Agent": "GitHub-Hookshot/044aadd",
        "Accept": "*/*",
        "Content-Type": "application/json",
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": event.name,
        "X-GitHub-Hook-ID": "292430182",
        "X-GitHub-Hook-Installation-Target-ID": "79929171",
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-Hub-Signature-256": f"sha256={digest}",
    }


def template(url: str, event: Event | None = None) -> bytes:
    """Return a whole HTTP/1.1 request to a URL, with DELIVERY where its id belongs."""
    event = event or github_event()
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers(event, DELIVERY.decode()).items()]
    lines += [f"Content-Length: {len(event.body)}", "", ""]
    return "\r\n".join(lines).encode() + event.body


def _event(line: str) -> Event:
    example = json.loads(line)
    body = json.dumps(example["body"], separators=(",", ":"), ensure_ascii=False).encode()
    return Event(example["headers"]["x-github-event"], body)
