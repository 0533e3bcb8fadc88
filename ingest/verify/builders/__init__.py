"""Makers of claims for the providers whose signed content no template expresses.

Each is a pure function ``build(provider, reading)`` that says what the sender asserts: which
signatures over which bytes; it compares nothing, decodes no key, and never raises.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ingest.verify.builders.adyen import adyen
from ingest.verify.builders.antom import antom
from ingest.verify.builders.aws_sns import aws_sns
from ingest.verify.builders.box import box
from ingest.verify.builders.braintree import braintree
from ingest.verify.builders.bridge_xyz import bridge_xyz
from ingest.verify.builders.canonical_json import hygraph, inngest, nowpayments, treezor
from ingest.verify.builders.contentful import contentful
from ingest.verify.builders.ebay import ebay
from ingest.verify.builders.field_lists import paymob, payu, praxis
from ingest.verify.builders.hook0 import hook0
from ingest.verify.builders.hubspot import hubspot_v3
from ingest.verify.builders.keygen import keygen
from ingest.verify.builders.mailgun import mailgun
from ingest.verify.builders.mercadopago import mercadopago
from ingest.verify.builders.paddle_classic import paddle_classic
from ingest.verify.builders.paypal import paypal
from ingest.verify.builders.raw_slices import exact_online, gitea, segment, unisender_go
from ingest.verify.builders.truelayer import truelayer
from ingest.verify.builders.url_and_form import mandrill, plivo_v2, plivo_v3, twilio
from ingest.verify.builders.wecom import wecom
from ingest.verify.claims import Claim
from ingest.verify.places import Reading
from ingest.verify.provider import Provider
from ingest.verify.request import Rejected

Build = Callable[[Provider, Reading], Sequence[Claim] | Rejected]

#: The word ``builder`` of an entry, and what it means.
BUILDERS: Final[Mapping[str, Build]] = MappingProxyType(
    {
        build.__name__: build
        for build in (
            adyen,
            antom,
            aws_sns,
            box,
            braintree,
            bridge_xyz,
            contentful,
            ebay,
            exact_online,
            gitea,
            hook0,
            hubspot_v3,
            hygraph,
            inngest,
            keygen,
            mailgun,
            mandrill,
            mercadopago,
            nowpayments,
            paddle_classic,
            paymob,
            paypal,
            payu,
            plivo_v2,
            plivo_v3,
            praxis,
            segment,
            treezor,
            truelayer,
            twilio,
            unisender_go,
            wecom,
        )
    }
)
