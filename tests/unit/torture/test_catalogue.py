"""faults.toml: what is in it can be struck, and mistakes in it are told."""

import inspect
from collections import Counter
from pathlib import Path

import pytest

from ingest import failpoints
from ops.torture import catalogue
from ops.torture.catalogue import Mistake
from ops.torture.strikes import KINDS

FAULTS = catalogue.read()


@pytest.mark.parametrize("name", FAULTS)
def test_each_row_gives_its_kind_what_it_takes(name: str) -> None:
    fault = FAULTS[name]

    inspect.signature(KINDS[fault.kind]).bind(None, **fault.parameters)
    assert fault.seconds[0] <= fault.seconds[1]


def test_every_kind_is_used() -> None:
    assert set(KINDS) == {fault.kind for fault in FAULTS.values()}


def test_every_moment_at_which_a_process_can_die_has_a_row() -> None:
    points = Counter(fault.parameters.get("point") for fault in FAULTS.values())

    assert {name: points[name] for name in failpoints.NAMES} == dict.fromkeys(failpoints.NAMES, 1)


def test_there_are_at_least_thirty_kinds_on_each_database() -> None:
    for database in catalogue.DATABASES:
        kinds = {fault.kind for fault in FAULTS.values() if database in fault.databases}
        assert len(kinds) >= 30 - len(failpoints.NAMES) + 1, database
        assert sum(database in fault.databases for fault in FAULTS.values()) >= 60


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('kind = "redis.kill"\nof = "F2"', "what"),
        ('kind = "redis.kill"\nof = "F2"\nwhat = "x"\nneeds = ["luck"]', "luck"),
        ('kind = "redis.kill"\nof = "F2"\nwhat = "x"\ndatabases = ["mysql"]', "database"),
    ],
)
def test_a_row_with_a_mistake_is_refused(tmp_path: Path, row: str, complaint: str) -> None:
    (tmp_path / "faults.toml").write_text(f"[x]\n{row}\n")

    with pytest.raises(Mistake, match=complaint):
        catalogue.read(tmp_path / "faults.toml")


def test_the_readme_counts_the_faults() -> None:
    readme = (catalogue.FILE.parents[2] / "README.md").read_text()

    assert readme.count(f"{len(FAULTS)} faults") == 2
