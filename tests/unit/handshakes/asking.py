"""Requests as providers make them when they check an address, and what is answered."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ingest.verify import Request, Secret, load_catalogue
from ingest.verify.handshakes.answering import answer
from ingest.verify.handshakes.response import Response
from ingest.verify.key_set import NO_KEYS, KeySet

ADDRESS = "https://hooks.example.com/in/acme"


class Asked(NamedTuple):
    """One request of a provider. ``query`` is encoded, ``body`` may be a JSON document."""

    slug: str
    method: str = "POST"
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: Any = b""
    options: Mapping[str, Any] = {}
    secrets: Sequence[bytes] = ()
    now: int | None = None
    keys: KeySet = NO_KEYS

    @property
    def request(self) -> Request:
        url = f"{ADDRESS}?{urlencode(self.query)}" if self.query else ADDRESS
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return Request(self.method, url, tuple(self.headers.items()), body)

    def answer(self, *, assumed: bool = False) -> Response | None:
        """What a receiver would say, or ``verify --jsonl`` where ``assumed``."""
        secrets = [Secret(f"s{n}", value) for n, value in enumerate(self.secrets)]
        provider = load_catalogue()[self.slug]
        return answer(
            provider,
            self.request,
            self.options,
            secrets,
            self.now,
            keys=self.keys,
            assumed=assumed,
        )


def content_type(response: Response) -> str | None:
    return dict(response.headers).get("content-type")
