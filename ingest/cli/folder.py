"""The pipeline of a folder: its data directory, the lock that allows one, and run.json."""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingest.cli.exits import CommandFailed, Exit
from ingest.cli.listening import command_of

LOCK = "up.lock"
RUN = "run.json"
#: A command beside us may try the lock for an instant (ingest/config/settings.py).
_TRIED_SECONDS = 0.5
#: The guard of a killed supervisor holds the lock while it ends what is left.
_GUARD_SECONDS = 10.0


@dataclass(frozen=True)
class Folder:
    """A locked data directory; keep ``lock`` open for as long as the pipeline runs."""

    data: Path
    lock: IO[str]

    def announce(self, facts: dict[str, object]) -> None:
        """Write run.json whole, so that commands in this folder find the pipeline."""
        target, draft = self.data / RUN, self.data / f"{RUN}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(facts, file)  # 0600: the addresses may hold passwords
        draft.replace(target)

    def forget(self) -> None:
        """Remove run.json: what it names no longer runs."""
        (self.data / RUN).unlink(missing_ok=True)


def take(data: Path) -> Folder:
    """Make the data directory and lock it for this process.

    Raises CommandFailed naming the process that has it.
    """
    make_private(data)
    lock = (data / LOCK).open("a+", encoding="utf-8")
    started = time.monotonic()
    while not _locked(lock):
        holder = _holder(lock)
        patience = _TRIED_SECONDS if _alive(holder) else _GUARD_SECONDS
        if time.monotonic() - started > patience:
            lock.close()
            raise CommandFailed(
                f"this folder's pipeline already runs: {command_of(holder)} (process {holder}) "
                f"holds {data / LOCK}.\nUse it as it is, or stop it with: kill {holder}"
            )
        time.sleep(0.05)
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    return Folder(data, lock)


def make_private(path: Path) -> None:
    """Make a directory that only its owner can enter. Raises CommandFailed if it cannot be."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise CommandFailed(
            f"the directory {path} cannot be made or made private: {error.strerror}. "
            "Set HOOKKEEPER_DATA to a directory of your own.",
            Exit.USAGE,
        ) from error


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: IO[str]) -> int:
    lock.seek(0)
    text = lock.read().strip()
    return int(text) if text.isdecimal() else 0


def _alive(pid: int) -> bool:
    if pid == 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
