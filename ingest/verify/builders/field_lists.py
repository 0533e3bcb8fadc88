"""Signatures over fixed lists of fields, which depend on the message: Paymob, Praxis, PayU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ingest.verify.builders.claiming import claim, unreadable
from ingest.verify.builders.json_text import parsed, scalar, walk
from ingest.verify.claims import Claim
from ingest.verify.places import Atom, Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected

_PAYMOB_TRANSACTION: Final = (
    "amount_cents",
    "created_at",
    "currency",
    "error_occured",
    "has_parent_transaction",
    "id",
    "integration_id",
    "is_3d_secure",
    "is_auth",
    "is_capture",
    "is_refunded",
    "is_standalone_payment",
    "is_voided",
    "order.id",
    "owner",
    "pending",
    "source_data.pan",
    "source_data.sub_type",
    "source_data.type",
    "success",
)
_PAYMOB_TOKEN: Final = (
    "card_subtype",
    "created_at",
    "email",
    "id",
    "masked_pan",
    "merchant_id",
    "order_id",
    "token",
)
_PRAXIS_PAYMENT: Final = (
    "merchant_id",
    "application_key",
    "timestamp",
    "customer.customer_token",
    "session.order_id",
    "transaction.tid",
    "transaction.currency",
    "transaction.amount",
    "transaction.conversion_rate",
    "transaction.processed_currency",
    "transaction.processed_amount",
)
_PRAXIS_SUBSCRIPTION: Final = (
    "event",
    "merchant_id",
    "application_key",
    "cid",
    "plan_id",
    "subscription_id",
    "subscription_status",
    "timestamp",
)
#: Ten fields that PayU reserves; the first five are ``udf5`` to ``udf1``, the rest never filled.
_PAYU: Final = (
    *("udf5", "udf4", "udf3", "udf2", "udf1"),
    *("email", "firstname", "productinfo", "amount", "txnid", "key"),
)
_PAYU_CHARGES: Final = (Atom.parse("form:additionalCharges"), Atom.parse("form:additional_charges"))


def paymob(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """HMAC of 20 fields of a transaction, or 8 of a saved card; ``?hmac=`` carries it.

    A POST has them in the JSON member ``obj``; the redirect (GET) has them in its query, where
    ``order.id`` is ``order``. https://developers.paymob.com/paymob-docs/developers/
    webhook-callbacks-and-hmac/hmac.
    """
    if reading.request.method == "GET":
        texts = [reading.read(Atom("query", _paymob_query(name))) for name in _PAYMOB_TRANSACTION]
    else:
        body = parsed(reading.request.body)
        fields = _PAYMOB_TOKEN if walk(body, ("type",)) == "TOKEN" else _PAYMOB_TRANSACTION
        texts = [scalar(walk(body, ("obj", *name.split(".")))) for name in fields]
    if not any(texts):
        return unreadable("callback, which has none of the signed fields")
    return claim(provider, reading, [(_joined(texts),)])


def _paymob_query(name: str) -> str:
    return "order" if name == "order.id" else name


def praxis(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """SHA-384 of eleven fields of a payment, or eight of a subscription, and the secret.

    https://doc.praxiscashier.com/integration_docs/latest/overview/authentication. Values count as
    they came: amounts are strings such as ``"10.00"``.
    """
    body = parsed(reading.request.body)
    fields = _PRAXIS_SUBSCRIPTION if scalar(walk(body, ("event",))) else _PRAXIS_PAYMENT
    texts = [scalar(walk(body, tuple(name.split(".")))) for name in fields]
    if not any(texts):
        return unreadable("body, which has none of the signed fields")
    return claim(provider, reading, [(_joined(texts), b"")])


def payu(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """SHA-512 of ``secret|status||||||udf5|..|udf1|email|..|txnid|key``, the request's in reverse.

    Additional charges, where there are some, stand before the secret.
    https://docs.payu.in/docs/hashing-request-and-response.
    """
    texts = [reading.read(Atom("form", name)) or "" for name in ("status", *_PAYU)]
    charges = next((text for atom in _PAYU_CHARGES if (text := reading.read(atom))), None)
    if not any(texts):
        return unreadable("form, which has none of the signed fields")
    before = b"" if charges is None else f"{charges}|".encode("utf-8", "surrogatepass")
    after = "|".join(("", texts[0], "", "", "", "", "", *texts[1:]))
    return claim(provider, reading, [(before, after.encode("utf-8", "surrogatepass"))])


def _joined(texts: Sequence[str | None]) -> bytes:
    return "".join(text or "" for text in texts).encode("utf-8", "surrogatepass")
