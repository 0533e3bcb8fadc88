"""Answers handshakes. Pure: a request in, a response or None out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ingest.verify.handshakes.reply import LONGEST_ECHO, Keyed
from ingest.verify.handshakes.response import Response
from ingest.verify.handshakes.sealing import open_lark
from ingest.verify.handshakes.shape import Handshake
from ingest.verify.key_set import NO_KEYS, KeySet, is_pinned
from ingest.verify.keys import decode_key, trimmed
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Request, Secret, Verified
from ingest.verify.verification import verify

#: Bytes; the longest handshake known has 2,000. Whatever is longer is an event, and is parsed once.
_LONGEST_BODY: Final = 65_536
_NOSNIFF: Final = ("X-Content-Type-Options", "nosniff")
_FORBIDDEN: Final = 403
#: Causes that are not the sender's: it should try again.
_OURS: Final = frozenset({Reason.NO_SECRET, Reason.KEY_UNAVAILABLE})
_UNKNOWING = Rejected(
    Reason.BAD_SIGNATURE, "the handshake does not hold the token that is in the source's options"
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request and what the source holds to judge it by."""

    provider: Provider
    request: Request
    options: Mapping[str, str]
    secrets: Sequence[Secret]
    now: int | None
    keys: KeySet
    assumed: bool

    def reading(self, body: bytes | None = None) -> Reading:
        request = self.request if body is None else replace(self.request, body=body)
        return Reading(request, options=self.options, keys=self.keys, now=self.now)

    def verdict(self) -> Verified | Rejected:
        return verify(
            self.provider,
            self.request,
            self.secrets,
            self.now,
            options=self.options,
            keys=self.keys,
        )


def methods(provider: Provider) -> frozenset[str]:
    """Name the HTTP methods that a source of this provider takes, POST among them."""
    asked = (method for handshake in provider.handshakes for method in handshake.method)
    return frozenset({"POST", *asked})


def answer(
    provider: Provider,
    request: Request,
    options: Mapping[str, Any],
    secrets: Sequence[Secret],
    now: int | None,
    *,
    keys: KeySet = NO_KEYS,
    assumed: bool = False,
) -> Response | None:
    """Answer a handshake; None where the request is none. Never raises.

    ``now`` in ms. A ``signed`` handshake is answered only if the signature holds, one with a token
    only if that is the option's. ``assumed`` (never in a receiver): a secret or an option that is
    not given is taken to hold, to see what the answer would be.
    """
    if len(request.body) > _LONGEST_BODY:
        return None
    told = {name: value for name, value in options.items() if isinstance(value, str) and value}
    asked = _Asked(provider, request, told, secrets, now, keys, assumed)
    for handshake in provider.handshakes:
        if request.method in handshake.method:
            response = _answered(handshake, asked)
            if response is not None:
                return replace(response, body=b"") if request.method == "HEAD" else response
    return None


def _answered(handshake: Handshake, asked: _Asked) -> Response | None:
    ways = list(_ways(handshake, asked))
    if not ways:
        return None
    if handshake.signed and not (asked.assumed and not asked.secrets):
        verdict = asked.verdict()
        if isinstance(verdict, Rejected):
            return _unproved(handshake, asked, verdict)
    for reading, keyed in ways:
        if handshake.admits(reading, keyed, assumed=asked.assumed):
            return _response(handshake, reading, keyed)
    return _refused(handshake, _UNKNOWING)


def _ways(handshake: Handshake, asked: _Asked) -> Iterator[tuple[Reading, Keyed | None]]:
    """The readings that have the form of this handshake, each with the secret to answer by."""
    if handshake.sealed is not None:
        for keyed in _live(asked):
            opened = open_lark(asked.request.body, keyed.shown)
            if opened is not None and handshake.fits(reading := asked.reading(opened)):
                yield reading, keyed
        return
    reading = asked.reading()
    if handshake.fits(reading):
        found = _live(asked)
        yield from ((reading, keyed) for keyed in found or (None,))


def _live(asked: _Asked) -> list[Keyed]:
    """The secrets in force; in front the one that the request was made with, if it shows that."""
    live = [secret for secret in asked.secrets if not secret.expired(asked.now)]
    if len(live) > 1:
        verdict = asked.verdict()
        proving = verdict.secret_name if isinstance(verdict, Verified) else None
        live.sort(key=lambda one: one.name != proving)
    found = (_keyed(asked.provider, secret.value) for secret in live)
    return [keyed for keyed in found if keyed is not None]


def _keyed(provider: Provider, value: bytes) -> Keyed | None:
    shown = trimmed(value, provider.secret_prefix_removed, "")
    key = decode_key(provider.secret_format, shown)
    return None if key is None else Keyed(shown, key)


def _unproved(handshake: Handshake, asked: _Asked, verdict: Rejected) -> Response | None:
    judged_as_event = asked.request.method == "POST" and handshake.refused is None
    if judged_as_event or verdict.reason in _OURS:
        return None
    return _refused(handshake, verdict)


def _refused(handshake: Handshake, cause: Rejected) -> Response:
    return Response(handshake.refused or _FORBIDDEN, (_NOSNIFF,), b"", refusal=cause)


def _response(handshake: Handshake, reading: Reading, keyed: Keyed | None) -> Response | None:
    """None where something that the answer is made of is absent, or is nothing to send back."""
    body, kind = _body(handshake, reading, keyed)
    headers = _headers(handshake, reading, keyed)
    learned = reading.read(handshake.learns) if handshake.learns else None
    confirm = reading.read(handshake.confirm) if handshake.confirm else None
    if body is None or headers is None or (handshake.learns and learned is None):
        return None
    if handshake.confirm and (confirm is None or not is_pinned(confirm, handshake.hosts)):
        return None
    return Response(
        status=handshake.status,
        headers=(*(("content-type", kind) for kind in kind), _NOSNIFF, *headers),
        body=body,
        learned=None if learned is None else learned.encode("utf-8", "surrogatepass"),
        confirm=confirm,
    )


def _body(
    handshake: Handshake, reading: Reading, keyed: Keyed | None
) -> tuple[bytes | None, tuple[str, ...]]:
    """The body, and its content type where there is one."""
    if handshake.document is not None:
        return handshake.document.render(reading, keyed), ("application/json",)
    if handshake.text is None:
        return b"", ()
    text = handshake.text.render(reading, keyed)
    if text is None:
        return None, ()
    return text.encode("utf-8", "replace"), ("text/plain",) if text else ()


def _headers(
    handshake: Handshake, reading: Reading, keyed: Keyed | None
) -> tuple[tuple[str, str], ...] | None:
    """The headers; None where a value is not all visible ASCII: no sender writes one of ours."""
    found = []
    for name, template in handshake.headers.items():
        value = template.render(reading, keyed)
        if value is None or not 0 < len(value) <= LONGEST_ECHO:
            return None
        if not all("!" <= character <= "~" for character in value):
            return None
        found.append((name, value))
    return tuple(found)
