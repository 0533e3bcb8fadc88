"""Reads the ``config`` of a handshake's line: what a source's options and secrets would be.

Such lines name things as their provider does (``app_secret``, ``EncodingAESKey``); a source has
one name for each. Names are compared without case and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ingest.verify.provider import Provider
from ingest.verify.request import Secret

_TOKENS: Final = (
    *("verifytoken", "verificationtoken", "verifycode", "verificationcode", "hubverifytoken"),
    *("webhookverifytoken", "subscriberverificationcode", "xvercelverify", "verify", "token"),
    *("vercelverify", "vercelverifytoken", "verification", "code"),
)
#: What the options of entries are called elsewhere.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "verifytoken": _TOKENS,
    "verifycode": _TOKENS,
    "verificationtoken": _TOKENS,
    "endpoint": ("endpointurl", "url", "callbackurl", "webhookurl", "notificationurl"),
    "publickey": ("apipublickey", "btpublickey", "braintreepublickey"),
    "encodingaeskey": ("aeskey", "encodingkey", "encryptkey"),
    "corpid": ("receiveid", "receiverid", "suiteid", "appid"),
    "topic": ("hubtopic", "topicurl", "feedurl"),
    "topicarn": ("topic",),
}
_SECRETS: Final = (
    *("secret", "clientsecret", "consumersecret", "appsecret", "apisecret", "privatekey"),
    *("signingsecret", "signingkey", "signaturekey", "webhooksecret", "webhooksecrettoken"),
    *("secrettoken", "secretkey", "sharedsecret", "channelsecret", "hooksecret", "hmackey"),
    *("authtoken", "managementtoken", "applicationmanagementtoken", "apimanagementtoken", "amt"),
    *("encryptkey", "publickey", "apikey", "key", "clientid"),
)
#: What any other name of a secret ends with.
_ENDINGS: Final = re.compile(r"(secret|key)$")
#: Families whose secret is called a token.
_TOKEN_FAMILIES: Final = ("token", "hash")


def read_config(
    provider: Provider, config: Mapping[str, Any]
) -> tuple[Mapping[str, str], tuple[Secret, ...]]:
    """Return the options and secrets that a config stands for, whatever it is."""
    told = {_plain(name): value for name, value in config.items()}
    wanted = {name for one in provider.handshakes for name in one.options} | {*provider.options}
    taken = {_plain(name): _found(told, (_plain(name),)) for name in wanted}
    options = dict(config)
    for name in sorted(wanted):
        if taken[_plain(name)] is None:
            taken[_plain(name)] = _found(told, _ALIASES.get(_plain(name), ()))
        word = taken[_plain(name)]
        if word is not None:
            options[name] = told[word]
    free = {name: value for name, value in told.items() if name not in taken.values()}
    called = ("token",) if provider.family in _TOKEN_FAMILIES else ()
    return options, tuple(_secrets(free, (*_SECRETS, *called)))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _found(told: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((name for name in names if isinstance(told.get(name), str)), None)


def _secrets(told: Mapping[str, Any], names: Iterable[str]) -> Iterable[Secret]:
    """The first word that may be one; or all of a list."""
    listed = told.get("secrets")
    values = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    word = _found(told, (*names, *sorted(filter(_ENDINGS.search, told))))
    for value in ([told[word]] if word is not None else []) + values:
        # JSON may hold half a surrogate pair; it encodes to something that matches nothing.
        yield Secret("line", value.encode("utf-8", "surrogatepass"))
