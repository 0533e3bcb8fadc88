"""[sources.<name>] rejected: the bounds of what is kept, or that nothing is."""

import pytest

from ingest.rejection import Keeping
from tests.unit.config.conftest import Folder

SOURCE = '[sources.github]\nprovider = "github"\nsecrets = ["env:SECRET"]\n'


def test_everything_is_bounded_where_nothing_is_said(folder: Folder) -> None:
    assert folder.load(SOURCE).sources["github"].rejected == Keeping(
        size=256_000, rate=600, total=100_000_000, days=14
    )


def test_each_bound_can_be_given(folder: Folder) -> None:
    words = 'rejected = { size = "1MB", rate = 5, total = "2MB", keep = "3d" }\n'
    assert folder.load(SOURCE + words).sources["github"].rejected == Keeping(
        size=1_000_000, rate=5, total=2_000_000, days=3
    )


def test_false_keeps_none(folder: Folder) -> None:
    assert folder.load(SOURCE + "rejected = false\n").sources["github"].rejected is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("true", "expected a table"),
        ('{ siez = "1MB" }', "size"),
        ("{ rate = 0 }", "[sources.github.rejected] rate"),
        ('{ size = "2MB", total = "1MB" }', "less than the size of one request"),
    ],
)
def test_a_mistake_in_it_is_said(folder: Folder, words: str, expected: str) -> None:
    assert expected in folder.refused(SOURCE + f"rejected = {words}\n")
