"""A provider is data: one entry of the catalogue, or one ``[sources.x.scheme]`` of a user.

Reading an entry compiles its templates once and refuses every combination that would prove
nothing (``checks.py``), so that verification itself has no case left to guess at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import model_validator

from ingest.verify.checks import check
from ingest.verify.entry import Entry
from ingest.verify.places import Reading

#: What a family means without saying it; an entry's own words win.
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "standard_webhooks": {
        "header": ["webhook-signature", "svix-signature"],
        "content": "{id}.{ts}.{body}",
        "encoding": "base64",
        "carrier": "list",
        "separator": " ",
        "prefix": "v1,",
        "secret_format": "whsec",
        "timestamp": "{header:webhook-timestamp|header:svix-timestamp}",
        "event_id": "{header:webhook-id|header:svix-id}",
        # The specification recommends type; senders in the field also use the others.
        "event_type": "{body:type|body:event_type|body:eventType|body:scope}",
    },
    "basic": {"header": ["Authorization"]},
}
#: Words about the provider, whichever way it signs: in an alternative nobody would read them.
_OF_ALL_WAYS: Final = frozenset(
    {
        "alternatives",
        "credential_headers",
        "credential_query",
        "deadline_seconds",
        "failure_body",
        "failure_status",
        "handshakes",
        "id_repeats",
        "needed_options",
        "options",
        "retries",
        "retry_waits_seconds",
        "retry_window_seconds",
        "success_body",
        "success_headers",
        "success_signer",
        "success_status",
    }
)


class Provider(Entry):
    """An entry whose words belong together."""

    #: Other ways in which the provider signs, where a request carries a signature of theirs.
    alternatives: tuple[Provider, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        detached = {"content": data["detached"]} if "detached" in data else {}
        return {**_DEFAULTS.get(str(data.get("family")), {}), **detached, **data, **_others(data)}

    @model_validator(mode="after")
    def _check(self) -> Self:
        check(self)
        if any(other.family in ("token", "basic", "none") for other in self.alternatives):
            raise ValueError("an alternative signs: a token beside a signature would replace it")
        said = {word for other in self.alternatives for word in other.model_fields_set}
        if stray := sorted(said & _OF_ALL_WAYS):
            raise ValueError(f"{', '.join(stray)}: said once, beside the alternatives")
        return self

    def scheme_of(self, reading: Reading) -> Provider:
        """Tell in which of its ways this request is signed, by what carries the signature."""
        for other in self.alternatives:
            if any(map(reading.request.all, other.header)) or any(
                map(reading.read, other.signature)
            ):
                return other
        return self


def _others(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The alternatives under the slug of the entry, of which they are a part."""
    listed = data.get("alternatives")
    if not isinstance(listed, list):
        return {}
    own = {"slug": data.get("slug")}
    return {"alternatives": [{**own, **one} if isinstance(one, dict) else one for one in listed]}


def custom_provider(source: str, scheme: Mapping[str, Any]) -> Provider:
    """Compile a user's own scheme. Raises pydantic's ValidationError, which names the word."""
    return Provider.model_validate({"slug": source, "name": source, **scheme})
