"""``hookkeeper providers``: who is known, and how each is set up."""

import tomllib
from pathlib import Path

import pytest

from ingest.verify import load_catalogue
from tests.cli.command import run

CATALOGUE = load_catalogue()


def listed(folder: Path, *arguments: str) -> list[str]:
    done = run(folder, "providers", "list", *arguments, "--json")
    assert done.code == 0, done.err
    return [row["provider"] for row in done.json]


def test_all_are_listed_as_lines_in_a_pipe(tmp_path: Path) -> None:
    """In a folder where nothing runs: choosing a provider comes before everything."""
    done = run(tmp_path, "providers", "list")
    head, *lines = done.out.splitlines()
    assert head.split("\t") == ["provider", "name", "family", "evidence", "docs"]
    assert [line.split("\t")[0] for line in lines] == list(CATALOGUE)
    assert done.err == ""


def test_they_are_found_by_a_part_of_the_name_the_family_and_the_evidence(tmp_path: Path) -> None:
    assert {"mailgun", "mailchimp", "mandrill"} <= set(listed(tmp_path, "MAIL"))
    assert "mandrill" in listed(tmp_path, "mailchimp"), "by its name, not only by its slug"
    assert listed(tmp_path, "stripe", "--family", "hmac") == ["stripe"]
    assert listed(tmp_path, "stripe", "--family", "token") == []
    proven = listed(tmp_path, "--evidence", "proven")
    assert proven == [slug for slug, one in CATALOGUE.items() if one.evidence == "proven"]


def test_help_names_it_and_it_explains_itself(tmp_path: Path) -> None:
    assert "\n  providers " in run(tmp_path, "--help").out
    done = run(tmp_path, "providers", "--help")
    assert done.code == 0
    assert {"list", "show"} <= {line.split()[0] for line in done.out.splitlines() if line.strip()}


def test_nothing_found_says_what_else_there_is(tmp_path: Path) -> None:
    done = run(tmp_path, "providers", "list", "no-such-provider")
    assert done.code == 0
    assert "[sources.NAME.scheme]" in done.err


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("show", "strpe"), "stripe"),
        (("show", "GitHub"), "github"),
        (("list", "--family", "hmc"), "hmac"),
        (("list", "--evidence", "prooven"), "proven"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest(
    tmp_path: Path, arguments: tuple[str, ...], nearest: str
) -> None:
    done = run(tmp_path, "providers", *arguments)
    assert done.code == 2
    assert f'did you mean "{nearest}"?' in done.err
    assert done.out == ""


def test_one_is_shown_with_the_address_to_paste_and_the_block_to_copy(tmp_path: Path) -> None:
    settings = {"HOOKKEEPER_PUBLIC_URL": "https://hooks.example.com"}
    done = run(tmp_path, "providers", "show", "braintree", settings=settings)
    assert done.code == 0, done.err
    facts = dict(line.split(maxsplit=1) for line in done.out.splitlines() if "  " in line)
    assert facts["address"] == "https://hooks.example.com/in/braintree"
    assert facts["docs"] == CATALOGUE["braintree"].docs
    assert facts["secret"] == "text, whose SHA-1 is the key"
    assert facts["deadline"] == "30 s"
    assert "answered 200, text {option:public_key}|" in facts["handshake"]
    block = done.out[done.out.index("[sources") : done.out.index("\n\nproved by")]
    assert tomllib.loads(block)["sources"]["braintree"]["provider"] == "braintree"
    assert done.err == ""


def test_what_nobody_documents_is_said_so_and_the_public_url_is_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "providers", "show", "affinity")
    lines = dict(line.split("  ", 1) for line in done.out.splitlines() if "  " in line)
    assert lines["deadline"].strip() == lines["sends again"].strip() == "not documented"
    assert "https://YOUR-HOST/in/affinity" in done.out
    assert "HOOKKEEPER_PUBLIC_URL" in done.err


@pytest.mark.parametrize(
    ("slug", "told"),
    [
        ("slack", "after 1s, then 1m, then 5m"),
        ("shopify", "8 times, for 2d"),
        ("stripe", "for 3d"),
        ("github", "never by itself: whoever wants an event again asks for it there"),
    ],
)
def test_how_a_provider_sends_again_is_said(tmp_path: Path, slug: str, told: str) -> None:
    done = run(tmp_path, "providers", "show", slug)
    assert f"sends again  {told}\n" in done.out


def test_json_has_every_fact(tmp_path: Path) -> None:
    found = run(tmp_path, "providers", "show", "slack", "--source", "team", "--json").json
    assert found["address"].endswith("/in/team")
    assert found["event_id"] == {"where": "body:event_id", "signed": "yes"}
    assert (found["failure_status"], found["deadline_seconds"]) == (401, 3)
