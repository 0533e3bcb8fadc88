"""Rejected requests, as programs see them."""

import pytest

from ingest.credentials import load_key
from ingest.store.rejected import keep
from tests.console.rig import Console
from tests.store.making import new_id, one
from tests.store.rejecting import rejected_request

pytestmark = pytest.mark.anyio

TOKEN = "the-token-of-the-desk"


@pytest.fixture(autouse=True)
def token_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_SECRET", TOKEN)


def kept(console: Console, count: int = 1, token: str = TOKEN) -> list[str]:
    """Requests that came while the secret was another; their token is a digest."""
    digest = load_key(console.settings.key_file).digest(token)
    requests = [
        rejected_request(b"<script>", source="token", headers=(("x-gitlab-token", digest),))
        for _ in range(count)
    ]
    keep(console.database, requests)
    return [request.id for request in requests]


async def test_they_are_listed_by_pages(console: Console) -> None:
    ids = kept(console, 5)
    page = await console.get("rejected", limit=3, source="token", reason="bad_signature")
    rest = await console.get("rejected", limit=3, after=page["next"])
    assert [item["id"] for item in page["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    assert (await console.get("rejected", state="released"))["items"] == []


async def test_one_is_explained(console: Console) -> None:
    (id_,) = kept(console)
    answer = await console.client.get(f"/api/v1/rejected/{id_}")
    console.check("get_rejected", answer)
    found = answer.json()
    assert found["steps"][3] == {
        "checked": "one of the source's secrets makes it",
        "result": "failed",
    }
    assert found["headers"][0][1].startswith("hmac-sha256:")
    body = await console.client.get(f"/api/v1/rejected/{id_}/body")
    assert (body.content, body.headers["content-type"]) == (b"<script>", "application/octet-stream")
    assert (await console.fault("GET", f"rejected/{new_id()}"))[0] == 404


async def test_they_are_verified_again(console: Console) -> None:
    kept(console, 25)
    kept(console, token="wrong")
    answer = await console.post("rejected/reverify", {"source": "token"})
    console.check("reverify_rejected", answer)
    assert answer.json() == {
        "checked": 26,
        "released": 25,
        "duplicates": 0,
        "refused": {"bad_signature": 1},
        "next": None,
    }
    assert one(console.database, "SELECT count(*) FROM events") == 25
    again = await console.post("rejected/reverify", {})
    assert again.json()["released"] == 0


async def test_one_is_verified_by_its_id(console: Console) -> None:
    first, _ = kept(console, 2)
    answer = await console.post("rejected/reverify", {"id": first})
    assert answer.json()["released"] == 1
    assert (await console.get(f"rejected/{first}"))["state"] == "released"
    assert (await console.post("rejected/reverify", {"id": new_id()})).status_code == 404
    assert (await console.post("rejected/reverify", {"sorce": "x"})).status_code == 422
