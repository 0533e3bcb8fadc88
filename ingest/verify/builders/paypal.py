"""PayPal: the webhook's id is signed and not sent; it is the source's secret, or an option."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.verify.claims import Claim, template_claims
from ingest.verify.content import wire
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected


def paypal(provider: Provider, reading: Reading) -> Sequence[Claim] | Rejected:
    """Claim the entry's ``content``, with the option ``webhook_id`` for ``{secret}`` if it is set.

    https://developer.paypal.com/api/rest/webhooks/rest/#link-selfverificationmethod.
    """
    made = template_claims(provider, reading)
    webhook_id = reading.options.get("webhook_id")
    if isinstance(made, Rejected) or not webhook_id:
        return made
    inside = wire(webhook_id)
    return [
        each._replace(contents=[(inside.join(pieces),) for pieces in each.contents])
        for each in made
    ]
