"""What providers put beside the signature that no word of an entry names: nonces, dates, lists.

One function a builder of ``verify/builders``, which says where each of these is documented.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Final
from urllib.parse import quote

import orjson

from ingest.signing.draft import Draft
from ingest.verify.places import Atom
from ingest.verify.provider import Provider

Dress = Callable[[Draft, int, str], None]

_TOPIC: Final = Atom.parse("body:TopicArn")


def dress(provider: Provider, draft: Draft, now: int, options: Mapping[str, str]) -> None:
    """Put on what the provider's requests have beside their signature. ``now`` in ms."""
    seed = draft.body + now.to_bytes(8, "big", signed=True)
    nonce = hashlib.sha256(seed).hexdigest()[:32]
    put_on = _DRESSES.get(provider.builder or "")
    if put_on is not None:
        put_on(draft, now, nonce)
    elif provider.builder == "aws_sns" and "topic_arn" in options and draft.is_free(_TOPIC):
        draft.put(_TOPIC, options["topic_arn"])
    for atom in sorted(provider.content.places, key=lambda atom: atom.name):
        if atom.place in ("header", "query") and draft.read(atom) is None:
            draft.put(atom, _named(atom.name, now, nonce))
        elif atom.place == "signature":
            draft.pairs.setdefault(atom.name, _named("timestamp", now, nonce))
    place = provider.algorithm_place
    if place is not None and place.place != "option" and draft.read(place) is None:
        draft.put(place, list(provider.algorithms)[-1])


def _named(name: str, now: int, nonce: str) -> str:
    return str(now // 1_000) if "time" in name else nonce


def wrapped(provider: Provider, text: str, options: Mapping[str, str]) -> str:
    """Write a signature as its carrier holds it, where that is not as it is."""
    match provider.builder:
        case "antom":
            return quote(text, safe="")
        case "braintree":
            return f"{options.get('public_key', 'public_key')}|{text}"
        case "ebay":
            header = {"alg": "ecdsa", "kid": "local", "signature": text, "digest": "SHA1"}
            return base64.b64encode(orjson.dumps(header)).decode()
        case "keygen":
            return f'"{text}"'
        case _:
            return text


def which_content(
    provider: Provider, contents: Sequence[tuple[bytes, ...]], key: bytes
) -> tuple[bytes, ...]:
    """Choose, of the contents that a builder allows, the one that this sender signs.

    WeCom sorts the secret in among the other texts, so its place depends on its letters.
    """
    if provider.builder != "wecom":
        return contents[0]
    heads = [head for head, _ in contents]
    parts = [longer[len(shorter) :] for shorter, longer in itertools.pairwise(heads)]
    return contents[sum(part <= key for part in parts)]


def _absent(draft: Draft, place: str, text: str) -> None:
    atom = Atom.parse(place)
    if draft.read(atom) is None:
        draft.put(atom, text)


def _box(draft: Draft, _now: int, _nonce: str) -> None:
    draft.put_header("BOX-SIGNATURE-VERSION", "1")
    draft.put_header("BOX-SIGNATURE-ALGORITHM", "HmacSHA256")


def _contentful(draft: Draft, _now: int, _nonce: str) -> None:
    names = ("x-contentful-signed-headers", "x-contentful-timestamp")
    draft.put_header(names[0], ",".join(names))


def _hook0(draft: Draft, _now: int, _nonce: str) -> None:
    draft.pairs["h"] = "content-type" if draft.read(Atom.parse("header:content-type")) else ""


def _hygraph(draft: Draft, now: int, _nonce: str) -> None:
    draft.pairs |= {"env": "master", "t": str(now)}


def _keygen(draft: Draft, now: int, _nonce: str) -> None:
    digest = base64.b64encode(hashlib.sha256(draft.body).digest()).decode()
    draft.put_header("Digest", f"sha-256={digest}")
    draft.put_header("Date", formatdate(now / 1_000, usegmt=True))
    draft.pairs |= {"keyid": '"local"', "algorithm": '"ed25519"'}


def _mercadopago(draft: Draft, now: int, nonce: str) -> None:
    draft.pairs["ts"] = str(now)
    _absent(draft, "query:data.id", str(int(nonce[:8], 16)))
    _absent(draft, "header:x-request-id", nonce)


def _plivo(header: str) -> Dress:
    return lambda draft, _now, nonce: draft.put_header(header, nonce)


def _wecom(draft: Draft, _now: int, nonce: str) -> None:
    _absent(draft, "query:nonce", nonce[:10])


_DRESSES: Final[Mapping[str, Dress]] = {
    "box": _box,
    "contentful": _contentful,
    "hook0": _hook0,
    "hygraph": _hygraph,
    "keygen": _keygen,
    "mercadopago": _mercadopago,
    "plivo_v2": _plivo("X-Plivo-Signature-V2-Nonce"),
    "plivo_v3": _plivo("X-Plivo-Signature-V3-Nonce"),
    "wecom": _wecom,
}
