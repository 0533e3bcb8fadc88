"""The official SDKs and Hookkeeper say the same of every request, whoever signed it.

ops/test installs the SDKs. The clock of a judge stands where ours does.
"""

from collections.abc import Iterator
from functools import cache

import pytest

from ingest.verify import load_catalogue
from tests.judges.judging import (
    BODY_UNSIGNED,
    TIMELESS,
    changed,
    disagreements,
    last_month,
)
from tests.judges.messages import MESSAGES
from tests.judges.panel import COMMANDS, Panel
from tests.unit.verify.builders.published import PUBLISHED
from tests.unit.verify.builders.test_constants import BOX
from tests.unit.verify.test_vectors import SIGNATURES


@cache
def _known(what: str) -> list[tuple[str, str]]:
    """Every SDK that verifies, or signs, with its language."""
    found = []
    for language, command in COMMANDS.items():
        with Panel.seated(command) as panel:
            found += [(language, sdk) for sdk in panel.known[what]]
    return found


@pytest.fixture(scope="module")
def panels() -> Iterator[dict[str, Panel]]:
    with Panel.seated(COMMANDS["python"]) as python, Panel.seated(COMMANDS["node"]) as node:
        yield {"python": python, "node": node}


@pytest.mark.parametrize(("language", "sdk"), _known("verify"))
def test_an_sdk_judges_as_we_do(panels: dict[str, Panel], language: str, sdk: str) -> None:
    assert disagreements(panels[language], sdk) == []


@pytest.mark.parametrize(("language", "sdk"), _known("verify"))
def test_an_sdk_tells_an_old_request_as_we_do(
    panels: dict[str, Panel], language: str, sdk: str
) -> None:
    """Some leave the time to their caller: there we are the stricter one."""
    sent = last_month(sdk)
    theirs, why = panels[language].holds(sdk, sent)
    ours = sent.holds()
    assert (theirs, ours) == ((True, False) if sdk in TIMELESS else (ours, ours)), why


@pytest.mark.parametrize(("language", "sdk"), _known("sign"))
def test_what_an_sdk_signs_holds_and_no_other_body_does(
    panels: dict[str, Panel], language: str, sdk: str
) -> None:
    bare = MESSAGES[sdk](1, 1, lambda _: None)
    signed = panels[language].signed(sdk, bare)
    assert signed.headers != bare.headers
    assert signed.holds(), signed.verdict()["reason"]
    other = changed(lambda *_: signed)
    assert other.body != signed.body
    assert other.holds() is (sdk in BODY_UNSIGNED)


def test_every_sdk_that_was_installed_is_asked() -> None:
    """A judge that is lost must not go unnoticed."""
    verifying = _known("verify")
    assert len({sdk for _, sdk in verifying}) == 68
    assert len(_known("sign")) == 17


def test_what_is_called_proven_was_proved_here_and_nothing_else() -> None:
    """By an SDK above, by a vector whose judge was the provider's, or by what it publishes."""
    judged = {
        MESSAGES[sdk](1, 1, lambda signature: signature).provider
        for what in ("verify", "sign")
        for _, sdk in _known(what)
    }
    vectors = {
        line["provider"] for line in SIGNATURES if line["kind"] in ("official", "sdk_judged")
    }
    constants = {sent.provider for sent in (*PUBLISHED, BOX)}
    catalogue = load_catalogue()
    proven = {slug for slug, entry in catalogue.items() if entry.evidence == "proven"}
    assert proven == judged | constants | vectors
