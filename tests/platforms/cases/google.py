"""Google reviews: how deliveries are signed, which payload plays which part."""

import json
from datetime import datetime, timedelta

from chalicelib.apps import Account, App
from tests.platforms.case import PlatformCase
from tests.platforms.signed_tokens import key_set, token


def _sign_google(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    claims = {
        "aud": "https://earshot.example.com/webhooks/google/main",
        "azp": "113774264463038321964",
        "email": "push@example-project.iam.gserviceaccount.com",
        "email_verified": True,
        "exp": int(sent_at.timestamp()) + 3600,
        "iat": int(sent_at.timestamp()),
        "iss": "https://accounts.google.com",
        "sub": "113774264463038321964",
    }
    return {"authorization": "Bearer " + token(json.loads(secret)["keys"][0]["kid"], claims)}


GOOGLE = App(
    platform="google",
    key="main",
    secrets=(key_set("now"), key_set("before")),
    verify_token="https://earshot.example.com/webhooks/google/main",
    app_id="push@example-project.iam.gserviceaccount.com",
    accounts=(Account("accounts/111222333/locations/444555666", "google", "Example Shop", "google-token"),),
)


CASES = (
    PlatformCase(
        product="google",
        app=GOOGLE,
        sign=_sign_google,
        header="authorization",
        parts={
            "question": "new_review",
            "edit": "updated_review",
            "empty": "empty_message",
            "unknown": "unknown_type",
            "foreign": "new_review__foreign_location",
            "missing": "new_review__without_name",
        },
        signs_body=False,
        stale_after=timedelta(hours=1, minutes=5),
    ),
)
