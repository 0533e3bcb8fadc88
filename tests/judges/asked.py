"""What a judge is asked, as the SDKs want to have it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request, and the secret or public key it is held against. ``now`` in unix seconds."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    secret: str
    now: float

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Self:
        body = base64.b64decode(line["body"])
        headers = dict(line["headers"])
        return cls(line["method"], line["url"], headers, body, line["secret"], line["now"])

    @cached_property
    def lower(self) -> Mapping[str, str]:
        """The headers as most servers give them."""
        return {name.lower(): value for name, value in self.headers.items()}

    def header(self, name: str) -> str:
        """Raises KeyError where it is missing: an SDK would not have been called."""
        return self.lower[name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.text, keep_blank_values=True))

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))
