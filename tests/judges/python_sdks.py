"""The official Python SDKs: how each verifies a request, or signs one.

A verifier returns False or raises where it refuses; what it returns otherwise is a yes. An SDK is
imported when it is asked, and by name: it is installed in the judges' own environment only.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from .asked import Asked

Verifier = Callable[[Asked], object]
Signer = Callable[[Asked], Mapping[str, str]]


def sdk(name: str) -> Any:
    return importlib.import_module(name)


def adyen(asked: Asked) -> object:
    valid = sdk("Adyen.util").is_valid_hmac_notification
    items = asked.json["notificationItems"]
    return all(valid(item["NotificationRequestItem"], asked.secret) for item in items)


def adyen_platform(asked: Asked) -> object:
    signature = asked.header("HmacSignature")
    return sdk("Adyen.util").is_valid_hmac_payload(signature, asked.secret, asked.body)


def anthropic(asked: Asked) -> object:
    client = sdk("anthropic").Anthropic(api_key="k")
    return client.beta.webhooks.unwrap(asked.text, headers=asked.lower, key=asked.secret) or True


def boldsign(asked: Asked) -> object:
    signature = asked.header("X-BoldSign-Signature")
    verify = sdk("boldsign.webhook_utility").WebhookUtility.validate_signature
    return verify(asked.text, signature, asked.secret) is not False


def box(asked: Asked) -> object:
    manager = sdk("box_sdk_gen.managers.webhooks").WebhooksManager
    return manager.validate_message(asked.text, dict(asked.lower), asked.secret)


def braintree(asked: Asked) -> object:
    """Its ``parse`` reads XML too; whether the signature holds is asked for here."""
    gateway = _braintree(asked.secret).webhook_notification
    fields = asked.form
    gateway._WebhookNotificationGateway__validate_signature(
        fields["bt_signature"], fields["bt_payload"].encode()
    )
    return True


def _braintree(private_key: str) -> Any:
    library = sdk("braintree")
    return library.BraintreeGateway(
        library.Configuration(
            environment=library.Environment.Sandbox,
            merchant_id="m",
            public_key="public1",
            private_key=private_key,
        )
    )


def cloudinary(asked: Asked) -> object:
    sdk("cloudinary").config(api_secret=asked.secret)
    stamp = int(asked.header("X-Cld-Timestamp"))
    verify = sdk("cloudinary.utils").verify_notification_signature
    return verify(asked.text, stamp, asked.header("X-Cld-Signature"))


def coinbase_commerce(asked: Asked) -> object:
    signature = asked.header("X-CC-Webhook-Signature")
    webhook = sdk("coinbase_commerce.webhook").WebhookSignature
    webhook.verify_sig_header(asked.text, signature, asked.secret)
    return True


def discord(asked: Asked) -> object:
    signature, stamp = (asked.header(f"X-Signature-{end}") for end in ("Ed25519", "Timestamp"))
    return sdk("discord_interactions").verify_key(asked.body, signature, stamp, asked.secret)


def dodopayments(asked: Asked) -> object:
    client = sdk("dodopayments").DodoPayments(bearer_token="k")
    client.webhooks.unwrap(asked.text, headers=asked.lower, key=asked.secret)
    return True


def dropbox_sign(asked: Asked) -> object:
    part = asked.body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    event = sdk("dropbox_sign").EventCallbackRequest.init(sdk("json").loads(part))
    return sdk("dropbox_sign").EventCallbackHelper.is_valid(asked.secret, event)


def easypost(asked: Asked) -> object:
    headers = {"X-Hmac-Signature": asked.header("X-Hmac-Signature")}
    sdk("easypost.util").validate_webhook(asked.body, headers, asked.secret)
    return True


def elevenlabs(asked: Asked) -> object:
    client = sdk("elevenlabs").ElevenLabs(api_key="k")
    signature = asked.header("ElevenLabs-Signature")
    return client.webhooks.construct_event(asked.text, signature, asked.secret)


def finch(asked: Asked) -> object:
    client = sdk("finch").Finch(client_id="c", client_secret="s")
    client.webhooks.verify_signature(asked.text, asked.lower, secret=asked.secret)
    return True


def fingerprint(asked: Asked) -> object:
    validation = sdk("fingerprint_server_sdk.webhook_validation").WebhookValidation
    signature = asked.header("FPJS-Event-Signature")
    return validation.is_valid_webhook_signature(signature, asked.body, asked.secret)


def getstream(asked: Asked) -> object:
    verify = sdk("stream_chat").StreamChat("key", asked.secret).verify_webhook
    return verify(sdk("gzip").decompress(asked.body), asked.header("X-Signature"))


def gocardless(asked: Asked) -> object:
    parse = sdk("gocardless_pro.webhooks").parse
    return parse(asked.body, asked.secret, asked.header("Webhook-Signature")) is not None


def _hubspot(version: str, header: str) -> Verifier:
    def verify(asked: Asked) -> object:
        return sdk("hubspot.utils.signature").Signature.is_valid(
            signature=asked.header(header),
            client_secret=asked.secret,
            request_body=asked.text,
            http_uri=asked.url,
            http_method=asked.method,
            signature_version=version,
            timestamp=asked.lower.get("x-hubspot-request-timestamp"),
        )

    return verify


def increase(asked: Asked) -> object:
    client = sdk("increase").Increase(api_key="k")
    client.events.unwrap(asked.text, headers=asked.lower, key=asked.secret)
    return True


def line(asked: Asked) -> object:
    validator = sdk("linebot.v3.webhook").SignatureValidator(asked.secret)
    return validator.validate(asked.text, asked.header("x-line-signature"))


def lithic(asked: Asked) -> object:
    client = sdk("lithic").Lithic(api_key="k")
    client.webhooks.verify_signature(asked.text, asked.lower, secret=asked.secret)
    return True


def livekit(asked: Asked) -> object:
    api = sdk("livekit.api")
    receiver = api.WebhookReceiver(api.TokenVerifier("api-key", asked.secret))
    return receiver.receive(asked.text, asked.header("Authorization")) is not None


def mailgun(asked: Asked) -> object:
    signed = asked.json["signature"]
    return sdk("mailgun.security").SecurityGuard.verify_webhook(asked.secret, **signed)


def mercadopago(asked: Asked) -> object:
    sdk("mercadopago.webhook.validator").WebhookSignatureValidator.validate(
        asked.header("x-signature"),
        asked.header("x-request-id"),
        asked.query["data.id"].lower(),
        asked.secret,
    )
    return True


def messagebird(asked: Asked) -> object:
    validator = sdk("messagebird.request_validator").RequestValidator(asked.secret)
    signature = asked.header("MessageBird-Signature-JWT")
    return validator.validate_signature(signature, asked.url, asked.body)


def modern_treasury(asked: Asked) -> object:
    client = sdk("modern_treasury").ModernTreasury(organization_id="o", api_key="k")
    return client.webhooks.validate_signature(asked.text, asked.lower, key=asked.secret)


def onfido(asked: Asked) -> object:
    onfido_sdk = sdk("onfido.webhook_event_verifier")
    verifier = onfido_sdk.WebhookEventVerifier(asked.secret)
    try:
        verifier.read_payload(asked.text, asked.header("X-SHA2-Signature"))
    except onfido_sdk.OnfidoInvalidSignatureError:
        return False
    return True


def openai(asked: Asked) -> object:
    client = sdk("openai").OpenAI(api_key="k")
    client.webhooks.verify_signature(asked.text, asked.lower, secret=asked.secret)
    return True


def orb(asked: Asked) -> object:
    client = sdk("orb").Orb(api_key="k")
    client.webhooks.verify_signature(asked.text, asked.lower, secret=asked.secret)
    return True


def paddle_billing(asked: Asked) -> object:
    notifications = sdk("paddle_billing.Notifications")
    request = sdk("types").SimpleNamespace(headers=asked.headers, body=asked.body)
    return notifications.Verifier().verify(request, notifications.Secret(asked.secret))


def plivo_v2(asked: Asked) -> object:
    signature, nonce = (asked.header(f"X-Plivo-Signature-V2{end}") for end in ("", "-Nonce"))
    return sdk("plivo.utils").validate_signature(asked.url, nonce, signature, asked.secret)


def plivo_v3(asked: Asked) -> object:
    signature, nonce = (asked.header(f"X-Plivo-Signature-V3{end}") for end in ("", "-Nonce"))
    validate = sdk("plivo.utils").validate_v3_signature
    return validate(asked.method, asked.url, nonce, asked.secret, signature, asked.form)


def polar(asked: Asked) -> object:
    kinds = frozenset({asked.json["type"]})
    validate = sdk("polar.webhooks").validate_event
    return validate(asked.body, asked.lower, asked.secret, kinds, dict)


def pusher(asked: Asked) -> object:
    key = asked.header("X-Pusher-Key")
    client = sdk("pusher").Pusher(app_id="1", key=key, secret=asked.secret)
    return client.validate_webhook(key, asked.header("X-Pusher-Signature"), asked.text) is not None


def qstash(asked: Asked) -> object:
    receiver = sdk("qstash").Receiver(asked.secret, "another-key-that-comes-next-and-is-long")
    signature = asked.header("Upstash-Signature")
    receiver.verify(signature=signature, body=asked.text, url=asked.url)
    return True


def razorpay(asked: Asked) -> object:
    utility = sdk("razorpay").Client(auth=("id", "s")).utility
    signature = asked.header("X-Razorpay-Signature")
    return utility.verify_webhook_signature(asked.text, signature, asked.secret) is not False


def replicate(asked: Asked) -> object:
    webhook = sdk("replicate.webhook")
    secret = webhook.WebhookSigningSecret(key=asked.secret)
    webhook.Webhooks.validate(headers=dict(asked.lower), body=asked.text, secret=secret)
    return True


def resend(asked: Asked) -> object:
    named = {end: asked.header(f"svix-{end}") for end in ("id", "timestamp", "signature")}
    options = {"payload": asked.text, "headers": named, "webhook_secret": asked.secret}
    return sdk("resend").Webhooks.verify(options) is not False


def retell(asked: Asked) -> object:
    signature = asked.header("x-retell-signature")
    return sdk("retell.lib.webhook_auth").verify(asked.text, asked.secret, signature)


def sendgrid(asked: Asked) -> object:
    webhook = sdk("sendgrid.helpers.eventwebhook").EventWebhook()
    key = webhook.convert_public_key_to_ecdsa(asked.secret)
    names = (f"X-Twilio-Email-Event-Webhook-{end}" for end in ("Signature", "Timestamp"))
    return webhook.verify_signature(asked.text, *map(asked.header, names), key)


def sinch(asked: Asked) -> object:
    name = "sinch.domains.authentication.sinch_events.v1.authentication_validation"
    validate = sdk(name).validate_sinch_event_signature_with_nonce
    return validate(asked.secret, dict(asked.headers), asked.text)


def slack(asked: Asked) -> object:
    return _slack(asked).is_valid_request(asked.body, dict(asked.lower))


def _slack(asked: Asked) -> Any:
    return sdk("slack_sdk.signature").SignatureVerifier(asked.secret)


def smartcar(asked: Asked) -> object:
    verify = sdk("smartcar").verify_payload
    return verify(asked.secret, asked.header("SC-Signature"), asked.text)


def square(asked: Asked) -> object:
    return sdk("square.utils.webhooks_helper").verify_signature(
        request_body=asked.text,
        signature_header=asked.header("x-square-hmacsha256-signature"),
        signature_key=asked.secret,
        notification_url=asked.url,
    )


def standardwebhooks(asked: Asked) -> object:
    sdk("standardwebhooks").Webhook(asked.secret).verify(asked.body, dict(asked.lower))
    return True


def stripe(asked: Asked) -> object:
    signature = asked.header("Stripe-Signature")
    return sdk("stripe").WebhookSignature.verify_header(
        asked.text, signature, asked.secret, tolerance=300
    )


def svix(asked: Asked) -> object:
    sdk("svix.webhooks").Webhook(asked.secret).verify(asked.body, dict(asked.lower))
    return True


def telnyx(asked: Asked) -> object:
    verify = sdk("telnyx.lib.webhook_verification").verify_webhook_signature
    verify(asked.body, asked.lower, asked.secret)
    return True


def truelayer(asked: Asked) -> object:
    library = sdk("truelayer_signing")
    names = {name for name in asked.headers if name.lower() != "tl-signature"}
    verifier = library.verify_with_pem(asked.secret).set_method(library.HttpMethod.POST)
    verifier.set_path(sdk("urllib.parse").urlsplit(asked.url).path).set_body(asked.text)
    verifier.add_headers({name: asked.headers[name] for name in names})
    verifier.verify(asked.header("Tl-Signature"))
    return True


def twilio(asked: Asked) -> object:
    validator = sdk("twilio.request_validator").RequestValidator(asked.secret)
    return validator.validate(asked.url, asked.form, asked.header("X-Twilio-Signature"))


def viber(asked: Asked) -> object:
    library = sdk("viberbot")
    configuration = library.BotConfiguration(name="n", avatar="a", auth_token=asked.secret)
    signature = asked.header("X-Viber-Content-Signature")
    return library.Api(configuration).verify_signature(asked.body, signature)


def vonage(asked: Asked) -> object:
    token = asked.header("Authorization").removeprefix("Bearer ")
    return sdk("vonage_jwt").verify_signature(token, asked.secret)


def workos(asked: Asked) -> object:
    verify = sdk("workos.webhooks._verification").verify_header
    signature = asked.header("WorkOS-Signature")
    verify(event_body=asked.body, event_signature=signature, secret=asked.secret)
    return True


VERIFIERS: Mapping[str, Verifier] = {
    verifier.__name__: verifier
    for verifier in (
        *(adyen, adyen_platform, anthropic, boldsign, box, braintree, cloudinary, discord),
        *(coinbase_commerce, dodopayments, dropbox_sign, easypost, elevenlabs, finch, fingerprint),
        *(
            getstream,
            gocardless,
            increase,
            line,
            lithic,
            livekit,
            mailgun,
            mercadopago,
            messagebird,
        ),
        *(modern_treasury, onfido, openai, orb, paddle_billing, plivo_v2, plivo_v3, polar, pusher),
        *(qstash, razorpay, replicate, resend, retell, sendgrid, sinch, slack, smartcar, square),
        *(standardwebhooks, stripe, svix, telnyx, truelayer, twilio, viber, vonage, workos),
    )
} | {
    "hubspot_v1": _hubspot("v1", "X-HubSpot-Signature"),
    "hubspot_v2": _hubspot("v2", "X-HubSpot-Signature"),
    "hubspot_v3": _hubspot("v3", "X-HubSpot-Signature-v3"),
}
