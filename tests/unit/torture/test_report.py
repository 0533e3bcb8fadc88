"""The report says what the results say, and leaves nothing bad out."""

from dataclasses import replace
from pathlib import Path

from ops.torture import report, results
from ops.torture.catalogue import Fault
from ops.torture.report import Circumstances
from ops.torture.results import Result

FAULTS = {
    name: Fault(name=name, kind="redis.kill", of="F2", what=f"what {name} is")
    for name in ("redis_killed", "disk_full", "never_struck")
}
CLEAN = Result(
    seed=1,
    fingerprint="f1",
    at="2026-11-30T20:00:00+00:00",
    commit="abc1234",
    database="sqlite",
    faults=["redis_killed", "disk_full"],
    struck=["redis_killed", "disk_full"],
    seconds=40.0,
    clean=True,
    acknowledged=1_000,
    refused=10,
    lost=0,
    committed=1_000,
    duplicated=0,
    sends=1_003,
    crashes=3,
    restarts=[9.0, 11.0],
    load=4.0,
    stretch=1.0,
    resumes={"redis_killed": 0.5, "disk_full": 1.5},
    quiescent=3.0,
    violations=[],
)
HERE = Circumstances(machine="cores 2", commands=["ops/torture/run"])


def made(*of: Result) -> str:
    return report.make(of, FAULTS, HERE)


def test_each_fault_that_was_struck_has_a_row_and_the_sums_count_a_trial_once() -> None:
    text = made(CLEAN, replace(CLEAN, seed=2, struck=["redis_killed"], acknowledged=500))

    assert "| events acknowledged | 1,500 |" in text
    assert "| redis_killed (F2) | what redis_killed is | sqlite | 2 | 2 | 1,500 | 0 | 0 |" in text
    assert "| disk_full (F2) | what disk_full is | sqlite | 1 | 1 | 1,000 | 0 | 0 |" in text
    assert "| never_struck (F2)" not in text
    assert "No trial was violated." in text


def test_a_violation_is_told_with_the_trial_that_can_be_run_again() -> None:
    bad = replace(CLEAN, seed=7, clean=False, lost=2, violations=["I1 lost (2): a, b"])
    text = made(CLEAN, bad)

    assert "| trials, of them clean | 2, 1 |" in text
    assert "| lost | 2 |" in text
    assert "trial 7, sqlite, redis_killed, disk_full, abc1234" in text
    assert "I1 lost (2): a, b" in text


def test_the_head_says_when_where_and_how() -> None:
    text = made(CLEAN, replace(CLEAN, at="2026-11-30T21:00:00+00:00", commit="def5678"))

    assert "2026-11-30T20:00:00+00:00, 2026-11-30T21:00:00+00:00" in text
    assert "abc1234 (1), def5678 (1)" in text
    assert "cores 2" in text
    assert "`ops/torture/run`" in text
    assert "| restart p50, p99, longest | 11.0 s, 11.0 s, 11.0 s |" in text


def test_without_results_the_report_says_so() -> None:
    assert "Nothing was run yet." in made()


def test_results_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert list(results.read(path)) == []

    for one in (CLEAN, replace(CLEAN, seed=2)):
        results.append(path, one)

    assert list(results.read(path)) == [CLEAN, replace(CLEAN, seed=2)]


def test_restarts_are_judged_by_each_trials_own_stretch() -> None:
    slow = replace(CLEAN, restarts=[20.0] * 200)

    assert "20.0 s, 20.0 s, 20.0 s: BROKEN |" in made(slow, replace(CLEAN, seed=2, stretch=9.0))
    assert "10.0 s, 10.0 s, 10.0 s: kept |" in made(replace(slow, stretch=2.0))
    assert "31.0 s: BROKEN |" in made(replace(CLEAN, restarts=[*[1.0] * 200, 31.0]))


def test_the_report_says_how_soon_accepts_resumed_after_each_fault() -> None:
    never = replace(CLEAN, seed=2, resumes={"redis_killed": None, "disk_full": 0.25})
    lines = made(CLEAN, never).splitlines()

    assert "| resumed after p50, p99, longest | 1.5 s, inf s, inf s |" in lines
    assert [line.split("|")[-2].strip() for line in lines if "(F2)" in line] == ["inf s", "1.5 s"]


def test_the_report_says_what_was_struck_least() -> None:
    every = [
        replace(CLEAN, database=name, struck=list(FAULTS)) for name in ("sqlite", "postgresql")
    ]
    again = replace(CLEAN, struck=["redis_killed", "never_struck"])

    text = made(*every, again)
    assert (
        "| 1: redis_killed (postgresql), disk_full (sqlite), disk_full (postgresql) and 1 more |"
        in text
    )
    text = made(CLEAN)
    assert (
        "| 0: redis_killed (postgresql), disk_full (postgresql), never_struck (sqlite) and 1 "
        in text
    )


def test_the_report_says_which_trials_were_the_same() -> None:
    text = made(CLEAN, replace(CLEAN, seed=2), replace(CLEAN, seed=2, fingerprint="f2"))

    assert "| fingerprints of the trials | f1 (2), f2 (1) |" in text
