"""Who goes by uncertain rules is told so, once, with what to do about it."""

from structlog.testing import capture_logs

from ingest.config.model import Source
from ingest.uncertain import Uncertain
from ingest.verify import custom_provider, load_catalogue

CATALOGUE = load_catalogue()
COMMUNITY = Source(name="shop", provider=CATALOGUE["ably"])


def told(uncertain: Uncertain, *sources: Source) -> list[tuple[str, str]]:
    with capture_logs() as lines:
        uncertain.tell(sources)
    assert all(line["event"] == "source.uncertain" for line in lines)
    assert all(line["log_level"] == "warning" for line in lines)
    return [(line["source"], line["provider"]) for line in lines]


def test_only_what_is_below_documented_is_told() -> None:
    """What a user described is the user's own word."""
    own = custom_provider("acme", {"family": "hmac", "header": "X-Sig"})
    sure = [Source(name=slug, provider=CATALOGUE[slug]) for slug in ("github", "slack", "asana")]
    found = told(Uncertain(), *sure, Source(name="acme", provider=own), COMMUNITY)
    assert {CATALOGUE[one].evidence for one in ("github", "asana")} == {"proven", "documented"}
    assert found == [("shop", "ably")]


def test_it_is_told_once_and_again_only_of_another_provider() -> None:
    uncertain = Uncertain()
    assert told(uncertain, COMMUNITY) == [("shop", "ably")]
    assert told(uncertain, COMMUNITY) == []
    changed = Source(name="shop", provider=CATALOGUE["affirm"])
    assert told(uncertain, changed, COMMUNITY) == [("shop", "affirm")]


def test_it_says_what_to_do() -> None:
    with capture_logs() as lines:
        Uncertain().tell([COMMUNITY])
    (line,) = lines
    assert line["docs"] == CATALOGUE["ably"].docs
    assert "hookkeeper providers show ably" in line["hint"]
    assert "[sources.shop.scheme]" in line["hint"]
