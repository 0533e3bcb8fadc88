"""The catalogue, as programs see it."""

import pytest

from ingest.verify import load_catalogue
from tests.console.rig import Console

pytestmark = pytest.mark.anyio
CATALOGUE = load_catalogue()


async def test_all_are_listed_in_one_page(console: Console) -> None:
    page = await console.get("providers")
    assert [one["slug"] for one in page["items"]] == list(CATALOGUE)
    assert page["next"] is None
    assert page["items"][0].keys() == {"slug", "name", "family", "evidence", "docs"}


async def test_they_are_found_by_name_family_and_evidence(console: Console) -> None:
    page = await console.get("providers", text="hub", family="hmac", evidence="proven")
    found = [one["slug"] for one in page["items"]]
    assert "github" in found
    for slug in found:
        assert "hub" in (slug + CATALOGUE[slug].name).lower()
        assert (CATALOGUE[slug].family, CATALOGUE[slug].evidence) == ("hmac", "proven")


async def test_one_is_told_with_its_block_and_its_deadline(console: Console) -> None:
    found = await console.get("providers/stripe")
    assert found["source"].startswith('[sources.stripe]\nprovider = "stripe"')
    assert found["event_id"] == {"where": "body:id", "signed": "yes"}
    assert (found["deadline_seconds"], found["retry_window_seconds"]) == (10, 259_200)
    assert (await console.get("providers/ably"))["deadline_seconds"] is None


async def test_an_unknown_one_is_not_found_and_an_unknown_filter_is_refused(
    console: Console,
) -> None:
    missing = await console.client.get("/api/v1/providers/strpe")
    assert missing.status_code == 404
    assert "strpe" in missing.json()["error"]["message"]
    wrong = await console.client.get("/api/v1/providers?family=hmc")
    assert wrong.status_code == 422
    assert wrong.json()["error"]["field"] == "family"
