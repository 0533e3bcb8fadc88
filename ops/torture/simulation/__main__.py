"""``python -m ops.torture.simulation``: simulate, and keep the result of a long run.

    python -m ops.torture.simulation --seeds 1-40 --steps 25000 --keep
    python -m ops.torture.simulation --seed 7 --episode 12         what failed, again

Each seed that is done is a line in simulation.md at once, so a long run may be ended, and goes on
behind its last line when it is started again. Exit status 0: no seed was judged wrong.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ops.bench.provenance import commit_of
from ops.torture.simulation.world import World

ROOT = Path(__file__).parent.parent.parent.parent
RESULT = ROOT / "ops" / "torture" / "simulation.md"
MEMORY = Path("/dev/shm")


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; the exit status."""
    said = _parser().parse_args(arguments)
    if said.episode is not None:
        return _replay(said.seed, said.episode)
    first, _, last = (said.seeds or str(said.seed)).partition("-")
    known = _kept() if said.keep else set()
    wrong = 0
    for seed in range(int(first), int(last or first) + 1):
        if seed in known:
            continue
        line = _simulate(seed, said.steps)
        print(line, flush=True)
        wrong += "| clean |" not in line
        if said.keep:
            with RESULT.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
    return min(wrong, 1)


def _simulate(seed: int, steps: int) -> str:
    """Run one seed; a line of the table."""
    began = time.process_time()
    verdict = "clean"
    with _folder() as folder:
        world = World(Path(folder), seed)
        try:
            world.run(steps)
        except Exception as error:  # noqa: BLE001 - the line says that it failed, and how to see it
            traceback.print_exc()
            verdict = f"{type(error).__name__} in episode {world.episode}"
        finally:
            world.close()
    used = time.process_time() - began
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    figures = f"{world.steps:,} | {world.episode} | {used:.0f} s"
    return f"| {seed} | {figures} | {verdict} | {day} | {_commit()} |"


def _replay(seed: int, episode: int) -> int:
    with _folder() as folder:
        world = World(Path(folder), seed)
        try:
            world.run_episode(episode)
        finally:
            world.close()
    print(f"episode {episode} of seed {seed}: {world.steps:,} steps, clean")
    return 0


def _commit() -> str:
    """Say what was simulated; what this run itself writes does not change that."""
    unwatched = f":(exclude,top){RESULT.relative_to(ROOT)}"
    return commit_of(
        _git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain", "--", ".", unwatched)
    )


def _git(*words: str) -> str:
    command = ["git", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _folder() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder in memory where there is one: nothing here needs a disk."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


def _kept() -> set[int]:
    """Read which seeds have a line already."""
    lines = RESULT.read_text(encoding="utf-8").splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    return {int(cell) for cell in cells if cell.isdigit()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops.torture.simulation")
    parser.add_argument("--seed", type=int, default=1, help="one seed")
    parser.add_argument("--seeds", metavar="1-40", help="several, one after the other")
    parser.add_argument("--steps", type=int, default=25_000, help="at least so many of each seed")
    parser.add_argument("--episode", type=int, help="only this episode of the seed")
    parser.add_argument("--keep", action="store_true", help=f"append to {RESULT.name}")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
