"""What ``ingest.signing`` puts beside a body that is sent as it is."""

from ingest.samples import Sample
from ingest.signing import Credential, compose, sign
from ingest.verify import Provider, Request


def sign_body(
    provider: Provider,
    body: bytes,
    secret: bytes,
    now: int,
    event_type: str = "",
    event_id: str | None = None,
    *,
    around: Request | None = None,
) -> list[tuple[str, str]]:
    """The headers with type, id and signature; ``around`` gives the URL and other headers."""
    url, headers = (around.url, around.headers) if around else ("", ())
    sample = Sample(event_type, body, headers)
    composed = compose(provider, url, event_id or "", now, sample=sample, verbatim=True)
    request = sign(provider, composed.draft, Credential(secret), now)
    assert request.body == body
    return [pair for pair in request.headers if pair not in headers]
