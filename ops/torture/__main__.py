"""``ops/torture/run``: strikes a running Hookkeeper, and says whether anything was lost.

Exit status: 0 where every trial was clean, 1 where one was not or nothing could be struck at all,
2 for a wrong command line.
"""

import argparse
import datetime as dt
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ops.bench import machine
from ops.torture import catalogue, plan, report, results, trial
from ops.torture.catalogue import Fault, Mistake
from ops.torture.plan import Choice
from ops.torture.results import Result
from ops.torture.sabotage import PROTECTIONS, REVEALED_BY
from ops.torture.summary import Summary

_ROOT = Path(__file__).parents[2]
_REPORT = Path(__file__).with_name("report.md")
_SABOTAGED_TRIALS = 4  # where a fault strikes is chance: it may find nothing that was protected


def main(words: Sequence[str]) -> int:
    """Run what the words ask for."""
    options = _options(words)
    try:
        faults = catalogue.possible(catalogue.read())
        if options.list:
            return _list(faults)
        if options.report:
            return _report(options.results)
        choice = _choice(options, faults)
    except Mistake as error:
        print(error, file=sys.stderr)
        return 2
    return _run(options, faults, choice)


def _run(options: argparse.Namespace, faults: dict[str, Fault], choice: Choice) -> int:
    summary, commit = Summary(), _commit()
    fingerprint = plan.fingerprint(choice, options.sabotage)
    done = _done(options.results, fingerprint) if options.resume else set()
    ends_at = time.monotonic() + options.minutes * 60 if options.minutes else None
    count = options.trials or _trials(options, choice)
    seed = options.seed
    while count > 0 and (ends_at is None or time.monotonic() < ends_at):
        if seed not in done:
            outcome = _trial(options, faults, plan.make(choice, seed, options.sabotage))
            summary.add(outcome)
            if options.keep:
                results.append(options.results, _result(outcome, fingerprint, commit))
            count -= 1
        if options.sabotage and summary.failed:
            break  # it has shown
        seed += options.step
    print(summary)
    return 0 if summary.clean else 1


def _trials(options: argparse.Namespace, choice: Choice) -> int:
    """How many to run where nobody says so; what is sabotaged may show in the next one only."""
    if options.minutes:
        return sys.maxsize
    deal = plan.trials_a_deal(choice)
    return max(deal, _SABOTAGED_TRIALS) if options.sabotage else deal


def _done(path: Path, fingerprint: str) -> set[int]:
    """The seeds that were run: of the same trials, as the same seed may be another one's."""
    return {one.seed for one in results.read(path) if one.fingerprint == fingerprint}


def _trial(
    options: argparse.Namespace, faults: dict[str, Fault], planned: plan.Plan
) -> trial.Outcome:
    print(f"trial {planned.seed}, {planned.database}: {', '.join(planned.names)}", flush=True)
    outcome = trial.run(planned, faults, lambda line: print(f"  {line}", flush=True))
    print(f"  {outcome.verdict}, {outcome.seconds:.0f} s", flush=True)
    for violation in outcome.verdict.violations:
        print(f"  ! {violation}", flush=True)
    if not outcome.verdict.clean:
        print(f"  again: ops/torture/run --seed {planned.seed} --trials 1 {_same(options)}")
        _explain(options, planned.seed, outcome.words)
    return outcome


def _explain(options: argparse.Namespace, seed: int, words: str) -> None:
    if options.logs is not None:
        options.logs.mkdir(parents=True, exist_ok=True)
        (options.logs / f"trial-{seed}.log").write_text(words)


def _result(outcome: trial.Outcome, fingerprint: str, commit: str) -> Result:
    verdict, planned = outcome.verdict, outcome.plan
    resumes = verdict.resumes.items()
    return Result(
        seed=planned.seed,
        fingerprint=fingerprint,
        at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        commit=commit,
        database=planned.database,
        faults=list(planned.names),
        struck=list(outcome.struck),
        seconds=round(outcome.seconds, 1),
        clean=verdict.clean,
        acknowledged=verdict.acknowledged,
        refused=verdict.refused,
        lost=verdict.lost,
        committed=verdict.committed,
        duplicated=verdict.duplicated,
        sends=verdict.sends,
        crashes=verdict.crashes,
        restarts=[round(each, 2) for each in verdict.restarts],
        load=round(os.getloadavg()[1], 1),
        stretch=round(outcome.stretch, 2),
        resumes={name: None if at == math.inf else round(at, 2) for name, at in resumes},
        quiescent=None if verdict.quiescent is None else round(verdict.quiescent, 1),
        violations=[str(each) for each in verdict.violations],
    )


def _choice(options: argparse.Namespace, faults: dict[str, Fault]) -> Choice:
    if options.sabotage and not options.fault:
        options.fault, options.database = [REVEALED_BY[options.sabotage]], "sqlite"
    wanted = plan.chosen(faults, options.fault)
    databases = catalogue.DATABASES if options.database is None else (options.database,)
    subset = options.subset
    choice = Choice(wanted, databases, options.together, each=not subset, brief=subset)
    if not wanted or not plan.trials_a_deal(choice):
        raise Mistake("There is no such fault for that database here; --list names them.")
    return choice


def _list(faults: dict[str, Fault]) -> int:
    for name, fault in faults.items():
        print(f"{name:30} {fault.of:4} {'/'.join(fault.databases):18} {fault.what}")
    print(f"{len(faults)} faults of {len({fault.kind for fault in faults.values()})} kinds")
    return 0


def _report(path: Path) -> int:
    kept = list(results.read(path))
    commands = ["ops/torture/run --keep --resume --minutes M", "ops/torture/run --report"]
    circumstances = report.Circumstances(machine=_machine(), commands=commands)
    _REPORT.write_text(report.make(kept, catalogue.read(), circumstances))
    print(f"{_REPORT.relative_to(_ROOT)}: {len(kept):,} trials")
    return 0


def _machine() -> str:
    found = machine.machine(Path(tempfile.gettempdir()))
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _same(options: argparse.Namespace) -> str:
    """The options that a trial's plan depends on besides its seed."""
    words = [f"--fault {name}" for name in options.fault]
    words += [f"--database {options.database}"] if options.database else []
    words += [f"--together {options.together}"] if options.together != plan.TOGETHER else []
    words += ["--subset"] if options.subset else []
    words += [f"--sabotage {options.sabotage}"] if options.sabotage else []
    return " ".join(words)


def _commit() -> str:
    words = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(words, cwd=_ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("ops/torture/run", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=0, help="the first trial; the same seed is the same trial")
    add("--minutes", type=float, help="begin new trials for so long")
    add("--trials", type=int, help="run so many; without --minutes: until each fault was struck")
    add("--step", type=int, default=1, help="from one seed to the next, for several runs at once")
    add("--fault", action="append", default=[], metavar="NAME", help="only faults that begin so")
    add("--database", choices=catalogue.DATABASES, help="only this one")
    add("--together", type=int, default=plan.TOGETHER, help="at most so many faults a trial")
    add("--subset", action="store_true", help="each fault once, as short as it can be, on one")
    add("--sabotage", choices=PROTECTIONS, default="", help="switch one off: it must show")
    add("--list", action="store_true", help="name the faults and end")
    add("--keep", action="store_true", help="append to the results")
    add("--report", action="store_true", help="make report.md of the results and end")
    add("--resume", action="store_true", help="leave out trials that the results have")
    add("--results", type=Path, default=results.FILE, help="the file of the results")
    add("--logs", type=Path, help="a folder for what the processes said, where that was no good")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
