"""The official Python SDKs that sign: for their users' tests, or because both ends share code."""

import datetime as dt
from collections.abc import Mapping

from .asked import Asked
from .python_sdks import Signer, sdk


def adyen_platform(asked: Asked) -> Mapping[str, str]:
    made = sdk("Adyen.util").generate_payload_sig(asked.body, asked.secret)
    return {"HmacSignature": made.decode()}


def hubspot_v3(asked: Asked) -> Mapping[str, str]:
    stamp = str(int(asked.now * 1_000))
    make = sdk("hubspot.utils.signature").Signature.get_signature
    made = make(asked.secret, asked.text, "v3", asked.url, asked.method, stamp)
    return {"X-HubSpot-Request-Timestamp": stamp, "X-HubSpot-Signature-v3": made}


def modern_treasury(asked: Asked) -> Mapping[str, str]:
    client = sdk("modern_treasury").ModernTreasury(organization_id="o", api_key="k")
    return {"X-Signature": client.webhooks.get_signature(asked.text, key=asked.secret)}


def slack(asked: Asked) -> Mapping[str, str]:
    stamp = str(int(asked.now))
    verifier = sdk("slack_sdk.signature").SignatureVerifier(asked.secret)
    made = verifier.generate_signature(timestamp=stamp, body=asked.body)
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": made}


def _standard(module: str, prefix: str) -> Signer:
    def sign(asked: Asked) -> Mapping[str, str]:
        moment = dt.datetime.fromtimestamp(asked.now, dt.UTC)
        made = sdk(module).Webhook(asked.secret).sign("msg_1", moment, asked.text)
        stamp = str(int(asked.now))
        return {f"{prefix}-id": "msg_1", f"{prefix}-timestamp": stamp, f"{prefix}-signature": made}

    return sign


def stripe(asked: Asked) -> Mapping[str, str]:
    make = sdk("stripe").WebhookSignature.generate_signature_header
    return {"Stripe-Signature": make(asked.text, asked.secret, int(asked.now))}


def twilio(asked: Asked) -> Mapping[str, str]:
    validator = sdk("twilio.request_validator").RequestValidator(asked.secret)
    return {"X-Twilio-Signature": validator.compute_signature(asked.url, asked.form)}


SIGNERS: Mapping[str, Signer] = {
    signer.__name__: signer
    for signer in (adyen_platform, hubspot_v3, modern_treasury, slack, stripe, twilio)
} | {
    "standardwebhooks": _standard("standardwebhooks", "webhook"),
    "svix": _standard("svix.webhooks", "svix"),
}
