"""Samples that ship inside the package."""

import json
from pathlib import Path

import pytest

import ingest.samples
from ingest.errors import NotFound
from ingest.samples import providers, sample, samples

FILES = sorted(Path(ingest.samples.__file__).parent.rglob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=[f"{file.parent.name}/{file.stem}" for file in FILES])
def test_every_sample_names_its_source_and_licence(file: Path) -> None:
    row = json.loads(file.read_text())
    assert row["source"]
    assert row["licence"]


def test_json_is_sent_compactly_and_a_form_as_it_was() -> None:
    push = sample("github", "push")
    assert push.event_type == "push"
    assert b'": ' not in push.body[:200]
    assert json.loads(push.body)["repository"]["name"] == "Hello-World"
    command = sample("slack", "slash_command")
    assert command.body.startswith(b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=")


def test_a_sample_is_found_by_its_type_too() -> None:
    assert sample("shopify", "orders/create") == sample("shopify", "orders.create")
    assert sample("gitlab", "Push Hook.push") == sample("gitlab", "Push.Hook.push")


def test_all_of_them_together_are_small() -> None:
    """They are in every wheel."""
    assert sum(file.stat().st_size for file in FILES) < 1_500_000


def test_who_has_samples_is_listed() -> None:
    assert len(providers()) > 20
    assert {file.parent.name for file in FILES} == set(providers())


@pytest.mark.parametrize(
    ("provider", "name"),
    [("github", "nothing"), ("nobody", "push"), ("github", "../slack/app_mention"), ("..", "x")],
)
def test_what_is_not_there_is_not_found(provider: str, name: str) -> None:
    with pytest.raises(NotFound, match="there is no sample"):
        sample(provider, name)


@pytest.mark.parametrize("provider", ["nobody", "", "..", "../samples", "a/b", "__pycache__"])
def test_an_unknown_provider_has_no_samples(provider: str) -> None:
    assert samples(provider) == []
