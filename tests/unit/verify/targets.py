"""Every entry that proves something, as a target: a genuine message, and how to forge one of it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ingest.verify import Request, Secret, load_catalogue, verify
from ingest.verify.key_set import NO_KEYS, KeySet, read_document
from ingest.verify.key_source import KeySource
from ingest.verify.provider import Provider
from ingest.verify.request import Verified
from tests.unit.verify import test_apple_chain
from tests.unit.verify.builders.judging import NOW, Sent
from tests.unit.verify.builders.test_senders import SENDERS as BUILT
from tests.unit.verify.entries import credentials
from tests.unit.verify.entries.digests import FACTS, Edit
from tests.unit.verify.key_pair_senders import KEY_PAIR_SENDERS, URL, certificate, pem
from tests.unit.verify.token_senders import TOKEN_SENDERS
from tests.unit.verify.token_senders import URL as TOKEN_URL
from tests.unit.verify.token_senders import Sent as TokenSent

#: Whose body is read for fields: a byte may be changed that is in none of them.
FIELDS_SIGNED = frozenset(
    {
        *("adyen", "braintree", "canny", "dingtalk", "dropbox_sign", "ecwid", "exact_online"),
        *("favro", "inngest", "lever", "mailgun", "mandrill", "mercadopago", "midtrans", "moov"),
        *("nowpayments", "opennode", "paymob", "paypro_global", "payu", "phonepe", "plivo_v2"),
        *("plivo_v3", "praxis", "quoter", "signwell", "transloadit", "treezor", "twilio", "usps"),
        *("unisender_go", "wecom", "gitea", "gogs", "segment", "getstream", "lark", "hygraph"),
        *("aws_sns", "paddle_classic", "travis_ci"),
    }
)


@dataclass(frozen=True)
class Target:
    """One entry. ``forge`` makes its message with the signature changed; None leaves it out.

    ``whole_body``: any change of the body has to be refused. ``secrets`` prove the message.
    """

    slug: str
    forge: Callable[[Edit], Request]
    secrets: tuple[Secret, ...]
    whole_body: bool
    keys: KeySet = NO_KEYS
    options: Mapping[str, Any] | None = None
    #: What judges in place of the catalogue's entry, where only that can be satisfied here.
    stand_in: Provider | None = None

    def genuine(self) -> tuple[Request, str]:
        """The message as it was made, and its signature; "" where the body carries that."""
        made = [""]

        def keep(signature: str) -> str:
            made.append(signature)
            return signature

        return self.forge(keep), made[-1]

    def takes(self, request: Request, secrets: tuple[Secret, ...] | None = None) -> bool:
        held = self.secrets if secrets is None else secrets
        options = self.options or {}
        provider = self.stand_in or load_catalogue()[self.slug]
        verdict = verify(provider, request, held, NOW * 1_000, options=options, keys=self.keys)
        return isinstance(verdict, Verified)


def _request(sent: Sent) -> Request:
    headers = tuple((name, str(value)) for name, value in sent.headers.items())
    return Request(sent.method, sent.url, headers, sent.body)


def _of(slug: str, send: Callable[[Edit], Sent], *, whole_body: bool) -> Target:
    sent = send(lambda made: made)
    secrets = (Secret("s", str(sent.secret).encode()),)
    return Target(
        slug, lambda edit: _request(send(edit)), secrets, whole_body, options=sent.options
    )


def _digest(slug: str) -> Target:
    fact = FACTS[slug]
    return _of(slug, lambda edit: fact.send(fact.secret(1), 1, edit), whole_body=True)


def _built(slug: str) -> Target:
    def send(edit: Edit) -> Sent:
        return BUILT[slug]("s3cret-of-the-source", 1, edit)

    return _of(slug, send, whole_body=slug not in FIELDS_SIGNED)


def _credential(slug: str) -> Target:
    form = credentials.FORMS[slug]

    def send(edit: Edit) -> Sent:
        return credentials.send(slug, form, credentials.secret_of(form, 1), edit)

    return _of(slug, send, whole_body=False)


def _key_pair(slug: str) -> Target:
    sender = KEY_PAIR_SENDERS[slug]
    sent = sender.send(sender.key, sender.body, NOW * 1_000)
    request = Request("POST", URL, tuple(sent.headers.items()), sent.body)
    given = slug in ("aws_sns", "paypal")
    secret = sender.secret if given else pem(sender.key)

    def forge(edit: Edit) -> Request:
        edited = (
            (name, edit(value) if name == sender.signature else value)
            for name, value in request.headers
        )
        left = tuple((name, value) for name, value in edited if value is not None)
        return replace(request, headers=left)

    return Target(
        slug,
        forge,
        (Secret("s", secret),) if secret else (),
        whole_body=slug not in FIELDS_SIGNED,
        keys=KeySet(anywhere=read_document(certificate(sender.key))) if given else NO_KEYS,
    )


def _token(slug: str) -> Target:
    sender = TOKEN_SENDERS[slug]
    made: list[tuple[str, bytes]] = []

    def keep(token: str, body: bytes) -> TokenSent:
        made.append((token, body))
        return sender.carry(token, body)

    def forge(edit: Edit) -> Request:
        token, body = made[0]
        sent = sender.carry(edit(token) or "", body)
        return Request("POST", TOKEN_URL, tuple(sent.headers.items()), sent.body)

    replace(sender, carry=keep).send()
    secret = sender.key if isinstance(sender.key, bytes) else pem(sender.key)
    secrets = (Secret("s", secret),)
    return Target(slug, forge, secrets, sender.binds_body, options=sender.options)


def _chain(slug: str) -> Target:
    """Apple's root is pinned by its fingerprint; one of our own stands in its place."""
    pinned = KeySource(kind="x5c", root_sha256=test_apple_chain.PIN)
    chain = (test_apple_chain.END, test_apple_chain.MIDDLE, test_apple_chain.ROOT)
    request = test_apple_chain.signed_payload(test_apple_chain.END[1], *chain)
    token = json.loads(request.body)["signedPayload"]

    def forge(edit: Edit) -> Request:
        return replace(request, body=json.dumps({"signedPayload": edit(token)}).encode())

    ours = load_catalogue()[slug].model_copy(update={"key_source": pinned})
    return Target(slug, forge, (), whole_body=False, stand_in=ours)


_KINDS: Mapping[Callable[[str], Target], Iterable[str]] = {
    _digest: FACTS,
    _built: BUILT,
    _chain: ["apple_assn"],
    _credential: credentials.FORMS,
    _key_pair: KEY_PAIR_SENDERS,
    _token: TOKEN_SENDERS,
}


@cache
def targets() -> Mapping[str, list[Target]]:
    """The targets of each scheme family, and of each builder."""
    found: dict[str, list[Target]] = {}
    for target in (make(slug) for make, slugs in _KINDS.items() for slug in slugs):
        entry = load_catalogue()[target.slug]
        for group in {entry.family, entry.builder or entry.family}:
            found.setdefault(group, []).append(target)
    return dict(sorted(found.items()))
