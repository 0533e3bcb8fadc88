"""A whole Hookkeeper in one thread: the real store, everything around it simulated from a seed.

The database is a SQLite file, in memory where its folder is: so the store runs as it is, with its
write lock, its transactions and its migrations. Only the clock is passed in.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from uuid_utils import uuid7

from ingest.jobs.states import Plan
from ingest.store import Database, destinations, jobs, ledger, migrate
from ingest.store.database import PATIENCE_SECONDS, parse_url
from ingest.store.schema import metadata
from ops.torture.simulation import people, scheduler, verdict
from ops.torture.simulation.chance import Chance, Time
from ops.torture.simulation.outside import Outside
from ops.torture.simulation.watch import Violated, Watch
from ops.torture.simulation.wire import Wire
from ops.torture.simulation.worker import Died, Worker

#: Steps with faults before an episode heals and is judged.
EPISODE = 400
#: Steps between two looks at what the ledger counts, while faults go on.
LEDGER_EVERY = 50
WORKERS, SCHEDULERS = 3, 2
RENEW_MS = 3_000
HOUR_MS = 3_600_000
#: After the last fault everything is quiet within this (simulated): a clock that was set back an
#: hour, and then the retries.
QUIET_WITHIN_MS = 3 * HOUR_MS
#: ... and within so many steps, or something goes in circles. While a row is held, a tick of seven
#: steps takes 11 s, so the three hours are 6,900 of them.
QUIET_WITHIN_STEPS = 10_000
#: What is true at any time, however dead all processes are.
ALWAYS = (
    *("waiting_without_wake", "delivery_missing", "ended_without_attempt"),
    *("job_waits_for_nothing", "job_without_wake"),
)


class World:
    """One run: episodes of faults, each of which heals and is judged."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(exist_ok=True)
        self.file = folder / "simulated.db"
        url = f"sqlite:///{self.file}"
        migrate(url)
        self.time = Time()
        self.seed = seed
        self.chance = Chance()
        self.database = Database(parse_url(url), PATIENCE_SECONDS, self.time.clock())
        self.watch = Watch(self.file)
        self.steps = 0
        self.episode = 0
        #: What came of things in all episodes: for those who doubt that anything went wrong.
        self.happened: set[str] = set()

    def run(self, steps: int) -> None:
        """Do at least so many steps, in whole episodes. Raises Violated."""
        until = self.steps + steps
        while self.steps < until:
            self.run_episode()

    def run_episode(self, number: int | None = None) -> None:
        """Let everything go wrong for a while, heal it, and judge. ``number`` None: the next one.

        An episode depends on the seed and on its number alone.
        """
        self.episode = self.episode + 1 if number is None else number
        #: Grows with everything that happens: equal for an episode that is run again.
        self.trace = sha256()
        self._begin()
        try:
            for _ in range(EPISODE):
                self._step()
            self._heal()
            self._settle()
            verdict.judge(self)
            self.happened |= set(verdict.outcomes(self))
        except Exception as error:
            again = f"--seed {self.seed} --episode {self.episode}"
            error.add_note(f"the same again: python -m ops.torture.simulation {again}")
            raise
        finally:
            self.outside.close()

    def close(self) -> None:
        """Close the database."""
        self.watch.close()
        self.database.close()

    def _begin(self) -> None:
        self.chance.seed(f"{self.seed}.{self.episode}")
        self.time.begin()
        with self.database.write() as tx:
            for table in reversed(metadata.sorted_tables):
                tx.execute(table.delete())
        self.watch.forget()
        self.wire = Wire(self.chance)
        self.outside = Outside()
        self.workflows: list[Plan] = []
        self._learned = 0
        self._renewed_at = 0
        self.workers = [self._worker() for _ in range(WORKERS)]
        self.schedulers = [scheduler.ticks(self) for _ in range(SCHEDULERS)]

    def _worker(self) -> Worker:
        return Worker(self, str(uuid7()))

    def _step(self) -> None:
        """Let one thing happen, somewhere."""
        self.time.go_on(self._pause())
        roll = self.chance.random()
        for share, happen in (
            (0.50, self._work),
            (0.14, self._tick),
            (0.10, lambda: people.send(self)),
            (0.05, lambda: people.operate(self)),
            (0.04, lambda: people.enqueue(self)),
            (0.10, self._renew),
            (0.07, self._fault),
        ):
            roll -= share
            if roll < 0:
                happen()
                break
        self._after()

    def _pause(self) -> int:
        """Choose how long nothing happens: at times long enough for leases to expire."""
        if self.chance.happens(0.01):
            return self.chance.randrange(5_000, 40_000)
        return self.chance.randrange(400)

    def _work(self) -> None:
        """Let a worker that is not stopped come to its next place."""
        running = [one for one in self.workers if not one.stopped]
        if running:
            self._advance(self.chance.choice(running))

    def _advance(self, worker: Worker) -> None:
        try:
            worker.step()
        except Died:
            self.workers.remove(worker)

    def _tick(self) -> None:
        if self.schedulers:
            next(self.chance.choice(self.schedulers))

    def _renew(self) -> None:
        self._renewed_at = self.time.lease
        for one in self.workers:
            if not one.stopped:
                one.renew()

    def _fault(self) -> None:
        """Do some harm, or undo some: processes come back, as under a supervisor."""
        chance = self.chance
        match chance.choice(("kill", "start", "start", "stop", "continue", "scheduler", "wire")):
            case "kill" if self.workers:
                self.workers.remove(chance.choice(self.workers))
            case "start" if len(self.workers) < WORKERS + 1:
                self.workers.append(self._worker())
            case "stop" if self.workers:
                chance.choice(self.workers).stopped = True
            case "continue":
                for one in self.workers:
                    one.stopped = False
            case "scheduler":
                self._restart_scheduler()
            case "wire":
                self._harm_wire()
            case _:
                pass

    def _restart_scheduler(self) -> None:
        if self.schedulers and self.chance.happens(0.5):
            self.schedulers.pop(self.chance.randrange(len(self.schedulers)))
        else:
            self.schedulers = [scheduler.ticks(self) for _ in range(SCHEDULERS)]

    def _harm_wire(self) -> None:
        if self.chance.happens(0.1):
            self.time.jump(self.chance.choice((-HOUR_MS, HOUR_MS)))
        elif self.chance.happens(0.5):
            self.wire.flush()
        else:
            self.wire.down = not self.wire.down

    def _heal(self) -> None:
        """End all faults; an operator lets go of what was paused. Nobody repairs a row."""
        self.wire.down, self.wire.honest = False, True
        for one in self.workers:
            one.stopped = False
        while len(self.workers) < WORKERS:
            self.workers.append(self._worker())
        self.schedulers = [scheduler.ticks(self)]
        for name in people.DESTINATIONS:
            destinations.resume(self.database, name)
        for workflow in self.workflows:
            for job in workflow.jobs:
                jobs.resume(self.database, job.id)
        self._after()

    def _settle(self) -> None:
        """Go on without faults until everything is at an end. Raises Violated (I8)."""
        begun_at, begun = self.time.lease, self.steps
        while self.watch.unended() or not all(one.idle for one in self.workers):
            if self.time.lease - begun_at > QUIET_WITHIN_MS:
                hours = QUIET_WITHIN_MS / HOUR_MS
                raise Violated(f"{self.watch.unended()} rows are not at an end after {hours:g} h")
            if self.steps - begun > QUIET_WITHIN_STEPS:
                raise Violated("it goes in circles")
            self._step_well()
            self._after()

    def _step_well(self) -> None:
        """Let a healthy pipeline do one thing, and time pass where there is none."""
        while len(self.workers) < WORKERS:  # poison has killed one
            self.workers.append(self._worker())
        if self.time.lease - self._renewed_at >= RENEW_MS:
            self._renew()
        if self.wire.messages or not all(one.idle for one in self.workers):
            self.time.go_on(5)
            for one in list(self.workers):
                self._advance(one)
                self.watch.look()  # one may give back what the next one claims
            return
        wake_at = self.watch.next_wake()
        wait = 11_000 if wake_at is None or self.watch.held() else wake_at - self.time.wall
        self.time.go_on(max(10, wait))
        for _ in range(6):  # a whole tick
            next(self.schedulers[0])
            self._after()

    def _after(self) -> None:
        """Look at what the step did. Raises Violated."""
        self.steps += 1
        for workflow in self.workflows[self._learned :]:
            self.watch.learn(workflow)
        self._learned = len(self.workflows)
        self.watch.look()
        self.trace.update(self._summary())
        if self.steps % LEDGER_EVERY == 0:
            found = ledger.violations(self.database)
            if broken := {name: found[name] for name in ALWAYS if found[name]}:
                raise Violated(f"the ledger counts {broken}")

    def _summary(self) -> bytes:
        """Say in ids of nobody's how things stand."""
        return repr((self.time.wall, len(self.wire.messages), [*self._states()])).encode()

    def _states(self) -> Iterator[tuple[str, int]]:
        for rows in (self.watch.deliveries, self.watch.jobs):
            yield from ((row.state, row.starts) for row in rows.values())
