"""[exports]: where the API may export to."""

import pytest

from tests.unit.config.conftest import Folder


def test_directories_start_at_the_file_and_buckets_stay_as_they_are(folder: Folder) -> None:
    found = folder.load('[exports]\nto = ["exports", "/archive/", "S3://bucket/hookkeeper/"]')
    assert found.export_places == (
        str(folder.file.parent.resolve() / "exports"),
        "/archive",
        "s3://bucket/hookkeeper",
    )


def test_without_the_table_nothing_is_said(folder: Folder) -> None:
    assert folder.load("").export_places is None
    assert folder.load("[exports]").export_places == ()


def test_a_directory_as_a_url_is_no_secret(folder: Folder) -> None:
    found = folder.load('[exports]\nto = ["file:///archive"]')
    assert found.export_places == ("/archive",)
    assert found.secret_files == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[exports]\nplaces = ["x"]', "[exports] places: unknown key; one of: to"),
        ('[exports]\nto = "exports"', "[exports] to: expected a list, such as"),
        ("[[exports]]", "exports: expected a table"),
        ('[exports]\nto = ["ok", "../up"]', '[exports] to: may not contain ".." (place 2)'),
        ('[exports]\nto = ["ftp://host"]', "[exports] to: is no place for an export"),
        ('[exports]\nto = [""]', "[exports] to: is no place for an export"),
        ('[exports]\nto = ["s3://"]', "[exports] to: is no place for an export"),
        ('[exprts]\nto = ["x"]', 'exprts: unknown key; did you mean "exports"?'),
    ],
)
def test_a_mistake_names_its_place(folder: Folder, text: str, expected: str) -> None:
    assert expected in folder.refused(text)


def test_a_credential_is_not_repeated(folder: Folder) -> None:
    message = folder.refused('[exports]\nto = ["s3://AKIA:hunter2@bucket"]')
    assert "holds no credentials" in message
    assert "hunter2" not in message
