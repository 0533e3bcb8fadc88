"""Requests whose signature the provider prints in its documentation, or its own SDK made."""

from tests.unit.verify.builders.judging import NOW, Sent

_REVOLUT_BODY = (
    b'{"data":{"id":"645a7696-22f3-aa47-9c74-cbae0449cc46","new_state":"completed",'
    b'"old_state":"pending","request_id":"app_charges-9f5d5eb3-1e06-46c5-b1c0-3914763e0bcb"},'
    b'"event":"TransactionStateChanged","timestamp":"2023-05-09T16:36:38.028960Z"}'
)
PUBLISHED = (
    # https://circleci.com/docs/guides/integration/outbound-webhooks/: its table, body and secret.
    *(
        Sent("circleci", body, {"circleci-signature": f"v1={signature}"}, secret)
        for body, secret, signature in (
            (
                b"hello world",
                "secret",
                "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a",
            ),
            (
                b"lalala",
                "another-secret",
                "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00",
            ),
            (
                b"an-important-request-payload",
                "hunter123",
                "9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa",
            ),
        )
    ),
    # https://developer.revolut.com/docs/guides/manage-accounts/webhooks/verify-the-payload-signature
    Sent(
        "revolut",
        _REVOLUT_BODY,
        {
            "Revolut-Request-Timestamp": "1683650202360",
            "Revolut-Signature": (
                "v1=bca326fb378d0da7f7c490ad584a8106bab9723d8d9cdd0d50b4c5b3be3837c0"
            ),
        },
        "wsk_r59a4HfWVAKycbCaNO1RvgCJec02gRd8",
        now=1_683_650_202,
    ),
    # cashfree_pg 6.0.1, ``PGVerifyWebhookSignature``, which takes it.
    Sent(
        "cashfree",
        b'{"type":"PAYMENT_SUCCESS_WEBHOOK","data":{"order":{"order_id":"o-1"}}}',
        {
            "x-webhook-timestamp": f"{NOW}000",
            "x-webhook-signature": "DOlc6zGH9K4Exc1MLYGa7tQ2h9ql8Uabu3yA5uX1n00=",
        },
        "cfsk_secret",
    ),
    # https://docs.rs/hook0-client: the constant of its tests.
    Sent(
        "hook0",
        b"hello !",
        {
            "X-Hook0-Signature": (
                "t=1636936200,v0=1b3d69df55f1e52f05224ba94a5162abeb17ef52cd7f4948c390f810d6a87e98"
            )
        },
        "secret",
        now=1_636_936_200,
    ),
)
