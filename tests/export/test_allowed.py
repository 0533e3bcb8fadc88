"""Where a request may let an export be written: into the places of the file, and nowhere else."""

from pathlib import Path

import pytest

from ingest.export.allowed import permitted
from ingest.filters import Refused

PLACES = ("exports", "s3://bucket/hookkeeper")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (None, "{folder}/exports"),
        ("exports", "{folder}/exports"),
        ("exports/", "{folder}/exports"),
        ("./exports/./github", "{folder}/exports/github"),
        ("{folder}/exports/a/b", "{folder}/exports/a/b"),
        ("file://{folder}/exports/a", "{folder}/exports/a"),
        ("s3://bucket/hookkeeper", "s3://bucket/hookkeeper"),
        ("S3://bucket/hookkeeper/", "s3://bucket/hookkeeper"),
        ("s3://bucket/hookkeeper/2026/11", "s3://bucket/hookkeeper/2026/11"),
    ],
    ids=str,
)
def test_a_place_and_what_lies_in_it_is_permitted(
    tmp_path: Path, to: str | None, expected: str
) -> None:
    asked = None if to is None else to.format(folder=tmp_path)
    assert permitted(asked, PLACES, tmp_path) == expected.format(folder=tmp_path)


@pytest.mark.parametrize(
    "to",
    [
        "",
        " ",
        ".",
        "/",
        "/etc",
        "exports2",
        "export",
        "exports/../secrets",
        "exports/..",
        "../exports",
        "exports/\0",
        "{folder}",
        "file:///etc",
        "file://exports/a",
        "file:exports/../..",
        "ftp://host/exports",
        "http://169.254.169.254/",
        "memory://exports",
        "s3://",
        "s3://bucket",
        "s3://other/hookkeeper",
        "s3://Bucket/hookkeeper",
        "s3://bucket/hookkeeper2",
        "s3://bucket/hookkeeper/../other",
        "s3://bucket/hookkeeper/./x",
        "s3://bucket/hookkeeper//x",
        "s3://bucket/hookkeeper/%2e%2e/other",
        "s3://bucket/hookkeeper/..\\other",
        "s3://bucket/hookkeeper?endpoint=http://elsewhere",
        "s3://bucket/hookkeeper#x",
        "gs://bucket/hookkeeper",
        "s3:bucket/hookkeeper",
        "s3://[bucket",
    ],
    ids=repr,
)
def test_anything_else_is_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(Refused) as refused:
        permitted(to.format(folder=tmp_path), PLACES, tmp_path)
    assert refused.value.field == "to"


@pytest.mark.parametrize("inside", ["", "/deeper"])
def test_a_link_leads_out_of_no_place(tmp_path: Path, inside: str) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "private").mkdir()
    (tmp_path / "exports" / "link").symlink_to(tmp_path / "private")
    with pytest.raises(Refused):
        permitted(f"exports/link{inside}", PLACES, tmp_path)


def test_a_place_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "exports").symlink_to(tmp_path / "disk")
    assert permitted("exports/a", PLACES, tmp_path) == str(tmp_path / "disk" / "a")


def test_links_in_a_ring_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "exports").symlink_to(tmp_path / "ring")
    (tmp_path / "ring").symlink_to(tmp_path / "exports")
    with pytest.raises(Refused):
        permitted("exports/a", PLACES, tmp_path)


@pytest.mark.parametrize(
    "to", ["s3://AKIA:hunter2@bucket/hookkeeper", "ftp://me:hunter2@host/x", "x/hunter2"]
)
def test_a_refusal_names_the_places_and_no_credential(tmp_path: Path, to: str) -> None:
    with pytest.raises(Refused) as refused:
        permitted(to, PLACES, tmp_path)
    assert "hunter2" not in str(refused.value)


def test_what_is_refused_hears_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="exports, s3://bucket/hookkeeper"):
        permitted("/etc", PLACES, tmp_path)


def test_an_empty_list_allows_nothing(tmp_path: Path) -> None:
    for to in (None, "exports"):
        with pytest.raises(Refused, match="allows no place"):
            permitted(to, (), tmp_path)
