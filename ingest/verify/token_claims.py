"""What a proven token says, held against the entry, the request and the clock. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from ingest.verify.content import wire
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Reason, Rejected, Request

BodyEncoding = Literal["hex", "base64", "base64url"]
UrlEncoding = Literal["plain", "sha256_hex", "atlassian_qsh"]
_OPTION: Final = re.compile(r"\{option:([a-z0-9_]+)(\??)\}")
_MOST_PARAMETERS: Final = 1_000
_LATEST: Final = 1e12  # seconds; a time beyond it is none


def check_claims(
    provider: Provider, reading: Reading, claims: Mapping[str, Any], now: int | None
) -> Rejected | None:
    """None where the token is for this request, from this sender and in force at ``now`` (ms)."""
    missing = [name for name in provider.required_claims if claims.get(name) in (None, "")]
    if missing:
        return _refused(f"the token has no claim {missing[0]}")
    return (
        _check_times(provider, claims, now)
        or _check_fixed(provider, reading, claims)
        or _check_body(provider, reading.request, claims)
        or _check_url(provider, reading, claims)
    )


def _refused(detail: str) -> Rejected:
    return Rejected(Reason.BAD_SIGNATURE, detail)


def _check_times(provider: Provider, claims: Mapping[str, Any], now: int | None) -> Rejected | None:
    """RFC 7519 §4.1.4 to §4.1.6, in seconds and with the entry's leeway."""
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if not all(_is_time(value) for value in times.values()):
        return Rejected(Reason.MALFORMED_TIMESTAMP, "exp, nbf or iat of the token is no number")
    if now is None:
        return None
    seconds, leeway = now / 1_000, provider.leeway_seconds
    if "exp" in times and seconds >= times["exp"] + leeway:
        return Rejected(Reason.STALE_TIMESTAMP, "the token has expired")
    if "nbf" in times and seconds < times["nbf"] - leeway:
        return Rejected(Reason.STALE_TIMESTAMP, "the token is not valid yet; is a clock wrong?")
    most = provider.max_age_seconds
    if most is not None and abs(seconds - times.get("iat", float("-inf"))) > most + leeway:
        return Rejected(Reason.STALE_TIMESTAMP, f"the token was not made within {most} s")
    return None


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and -_LATEST < value < _LATEST  # type: ignore[operator]  # told apart by type()


def _check_fixed(
    provider: Provider, reading: Reading, claims: Mapping[str, Any]
) -> Rejected | None:
    for name, wanted in provider.claims.items():
        expected = _expected(wanted, reading)
        if expected is None:
            continue
        said = claims.get(name)
        found = said if isinstance(said, list) else [said]
        if not any(each in expected for each in found):
            return _refused(f"the claim {name} of the token is not the one that is expected")
    return None


def _expected(wanted: str | Sequence[str], reading: Reading) -> list[str] | None:
    """List the values that will do: as written, or an option's. None: an option left open.

    An option that is needed and not set is no value at all, so nothing matches it.
    """
    expected = []
    for text in [wanted] if isinstance(wanted, str) else wanted:
        option = _OPTION.fullmatch(text)
        value = reading.options.get(option[1]) if option else text
        if value:
            expected.append(value)
        elif option and option[2]:
            return None
    return expected


def fixed_claim(provider: Provider, name: str, reading: Reading) -> str | None:
    """Return a value that will do for a claim which the entry fixes; None for one left open."""
    expected = _expected(provider.claims[name], reading)
    if expected == []:
        raise ValueError(f"an option of the source is missing, which says the claim {name}")
    return expected[0] if expected else None


def body_digest(provider: Provider, body: bytes) -> str:
    """Digest a body as ``body_claim`` has it."""
    digest = hashlib.new(provider.body_claim_algorithm, body).digest()
    return _ENCODERS[provider.body_claim_encoding](digest)


def url_form(provider: Provider, reading: Reading) -> str:
    """Write the request's URL as ``url_claim`` has it."""
    return _URL_FORMS[provider.url_claim_encoding](reading)


def _check_body(provider: Provider, request: Request, claims: Mapping[str, Any]) -> Rejected | None:
    name = provider.body_claim
    if name is None or (name not in claims and not request.body):
        return None
    said = claims.get(name)
    if isinstance(said, str) and _same(body_digest(provider, request.body), said):
        return None
    return _refused(f"the claim {name} of the token is of another body")


def _check_url(provider: Provider, reading: Reading, claims: Mapping[str, Any]) -> Rejected | None:
    name = provider.url_claim
    if name is None:
        return None
    said = claims.get(name)
    if isinstance(said, str) and _same(url_form(provider, reading), said):
        return None
    return _refused(f"the claim {name} of the token is of another URL")


def _same(made: str, said: str) -> bool:
    """Compare without base64's padding, which senders treat as they like (QStash has it)."""
    one, other = made.rstrip("="), said.rstrip("=")
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )


def _url(reading: Reading) -> str:
    return reading.request.url


def _url_digest(reading: Reading) -> str:
    return hashlib.sha256(wire(reading.request.url)).hexdigest()


def _atlassian_qsh(reading: Reading) -> str:
    """Digest the canonical request.

    https://developer.atlassian.com/cloud/jira/platform/understanding-jwt-for-connect-apps/#qsh:
    method, path below the app's base URL, and the query without ``jwt``, percent-encoded, sorted,
    values of one name joined by commas.
    """
    request = reading.request
    path = _path(request.url).removeprefix(reading.options.get("base_path", "").rstrip("/"))
    path = path.rstrip("/").replace("&", "%26") or "/"
    canonical = f"{request.method.upper()}&{path}&{_canonical_query(request.query)}"
    return hashlib.sha256(wire(canonical)).hexdigest()


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _canonical_query(query: str) -> str:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return ""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if name != "jwt":
            values.setdefault(_quoted(name), []).append(_quoted(value))
    return "&".join(f"{name}={','.join(sorted(values[name]))}" for name in sorted(values))


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="-._~")


_ENCODERS: Final[Mapping[BodyEncoding, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "base64": lambda digest: base64.b64encode(digest).decode(),
    "base64url": lambda digest: base64.urlsafe_b64encode(digest).decode(),
}
_URL_FORMS: Final[Mapping[UrlEncoding, Callable[[Reading], str]]] = {
    "plain": _url,
    "sha256_hex": _url_digest,
    "atlassian_qsh": _atlassian_qsh,
}
