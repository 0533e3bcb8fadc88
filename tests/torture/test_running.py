"""A run: trials that break are kept and told, nothing struck is nothing shown, times are fair."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ops.torture import __main__ as run
from ops.torture import catalogue, plan, report, results, trial
from ops.torture.plan import Choice, Plan
from ops.torture.report import Circumstances
from ops.torture.summary import Summary
from ops.torture.trial import Outcome
from ops.torture.verdict import Verdict
from ops.torture.violations import Violation

FAULTS = catalogue.read()
CHOICE = Choice((FAULTS["kill_scheduler"], FAULTS["kill_web"]), ("sqlite",), together=1)
BAD = Verdict(violations=(Violation("I1", "lost", 1, ("a",)),), acknowledged=10, quiescent=1.0)
GOOD = Verdict(violations=(), acknowledged=10, quiescent=1.0)


def outcome(seed: int = 0, verdict: Verdict = GOOD, *, stretch: float = 1.0) -> Outcome:
    planned = plan.make(CHOICE, seed)
    return Outcome(
        plan=planned, verdict=verdict, struck=planned.names, seconds=1.0, stretch=stretch
    )


class Trials:
    """Stands for real ones: the next verdicts, and the plans that were run."""

    def __init__(self, *verdicts: Verdict, struck: bool = True) -> None:
        self._verdicts = list(verdicts)
        self._struck = struck
        self.seeds: list[int] = []

    def __call__(self, planned: Plan, _faults: object, _tell: object) -> Outcome:
        self.seeds.append(planned.seed)
        one = replace(outcome(verdict=self._verdicts.pop(0)), plan=planned)
        return replace(one, struck=planned.names if self._struck else ())


def words(path: Path, *more: str) -> Sequence[str]:
    given = ["--fault", "kill_", "--database", "sqlite", "--together", "1", "--keep"]
    return [*given, "--results", str(path), *more]


def no_servers(_planned: Plan) -> AbstractContextManager[None]:
    raise RuntimeError("no PostgreSQL")


def test_a_trial_that_cannot_be_built_is_kept_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "setting", no_servers)
    path = tmp_path / "results.jsonl"

    status = run.main(words(path, "--trials", "2"))

    kept = list(results.read(path))
    said = "could not be finished: RuntimeError('no PostgreSQL')"
    assert status == 1
    assert [(one.seed, one.clean) for one in kept] == [(0, False), (1, False)]
    assert all(said in one.violations[0] for one in kept)
    assert capsys.readouterr().out.splitlines()[-1].startswith("VIOLATED")
    assert said in report.make(kept, FAULTS, Circumstances(machine="", commands=[]))


def test_a_trial_whose_taking_down_fails_is_not_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was judged before is not all that there was to see."""

    @contextmanager
    def broken_end(_planned: Plan) -> Iterator[object]:
        yield type("Stage", (), {"stretch": 1.0})()
        raise RuntimeError("the senders failed")

    monkeypatch.setattr(trial, "setting", broken_end)
    monkeypatch.setattr(trial, "_judged", lambda *_: GOOD)

    found = trial.run(plan.make(CHOICE, 0), FAULTS, print)

    assert not found.verdict.clean
    assert "the senders failed" in str(found.verdict.violations[0])
    assert "Traceback" in found.words


def test_a_run_in_which_nothing_was_struck_is_not_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "run", Trials(GOOD, GOOD, struck=False))

    status = run.main(words(tmp_path / "results.jsonl", "--trials", "2"))

    assert status != 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("NOTHING WAS STRUCK")


@pytest.mark.parametrize(
    ("verdicts", "seeds", "status"),
    [
        ((BAD,), [0], 1),
        ((GOOD, GOOD, BAD), [0, 1, 2], 1),
        ((GOOD, GOOD, GOOD, GOOD), [0, 1, 2, 3], 0),
    ],
)
def test_what_is_sabotaged_has_four_trials_to_show_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verdicts: Sequence[Verdict],
    seeds: list[int],
    status: int,
) -> None:
    trials = Trials(*verdicts)
    monkeypatch.setattr(trial, "run", trials)

    assert run.main(["--sabotage", "dedupe", "--results", str(tmp_path / "none")]) == status
    assert trials.seeds == seeds


def test_only_the_same_trials_are_left_out_when_a_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.jsonl"
    trials = Trials(*[GOOD] * 5)
    monkeypatch.setattr(trial, "run", trials)

    run.main(words(path, "--trials", "2"))
    run.main(words(path, "--trials", "1", "--resume"))
    run.main(words(path, "--trials", "1", "--resume", "--subset"))

    assert trials.seeds == [0, 1, 2, 0]
    assert len({one.fingerprint for one in results.read(path)}) == 2


def test_a_fingerprint_changes_with_the_rows_the_options_and_what_a_trial_depends_on() -> None:
    longer = replace(CHOICE.faults[0], seconds=(5.0, 9.0))
    others = [
        replace(CHOICE, faults=CHOICE.faults[:1]),
        replace(CHOICE, faults=(longer, CHOICE.faults[1])),
        replace(CHOICE, databases=("postgresql",)),
        replace(CHOICE, together=2),
        replace(CHOICE, brief=True),
    ]
    found = [plan.fingerprint(one) for one in (CHOICE, *others)]

    assert len({*found, plan.fingerprint(CHOICE, "fsync")}) == len(others) + 2
    assert plan.fingerprint(replace(CHOICE)) == found[0]


def test_each_restart_is_judged_by_how_crowded_its_own_trial_was() -> None:
    """One crowded trial does not excuse the restarts of a hundred others."""
    slow = replace(GOOD, restarts=(20.0,) * 100)
    crowded, idle = Summary(), Summary()

    crowded.add(outcome(0, slow, stretch=2.0))
    idle.add(outcome(0, slow))
    idle.add(outcome(1, stretch=9.0))

    assert crowded.clean
    assert not idle.clean
    assert "VIOLATED" in str(idle)
    assert "restarts over 15 s" in str(idle)


def test_a_trial_that_was_never_quiescent_is_not_taken_for_one_that_was_at_once() -> None:
    summary = Summary()
    summary.add(outcome(0, replace(GOOD, quiescent=0.0)))

    assert "quiescent after 0.0 s at most" in str(summary)


def test_results_can_be_read_by_anything_that_reads_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.jsonl"
    never = replace(BAD, resumes={"kill_web": float("inf"), "kill_scheduler": 0.504})
    monkeypatch.setattr(trial, "run", Trials(never))

    run.main(words(path, "--trials", "1"))

    row = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert row["resumes"] == {"kill_web": None, "kill_scheduler": 0.5}
