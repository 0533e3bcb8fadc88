"""Reads faults.toml: what can be struck, and what has to hold then. Strict."""

import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("faults.toml")
Database = Literal["sqlite", "postgresql"]
DATABASES: tuple[Database, ...] = ("sqlite", "postgresql")
#: Parts of a stage that cost something, so only the trials that need them have them.
NEEDS = {"proxies", "shim", "power", "small_disk", "redis_disk", "replica", "standby"}
_ROOT_ONLY = frozenset({"small_disk", "redis_disk"})  # they mount


class Mistake(Exception):
    """faults.toml, or the command line, says something that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row: a kind of trouble with its parameters.

    ``seconds``: how long it lasts, drawn between the two; ``refusals``: whether senders may be
    refused while it lasts; ``resume_seconds``: how soon after it an event is accepted again.
    """

    name: str
    kind: str
    of: str  # the number in the matrix of the research, F1 to F29
    what: str
    databases: tuple[Database, ...] = DATABASES
    needs: frozenset[str] = frozenset()
    seconds: tuple[float, float] = (0.0, 0.0)
    refusals: bool = True
    resume_seconds: float | None = None
    quiescent_seconds: float = 45.0
    rate: float | None = None  # events a second at most, where a backlog is not what is struck
    asked: bool = False  # takes so long that it is struck only where it is named
    last: bool = False  # nothing is as it was afterwards: nothing may follow it
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spares_receiver(self) -> bool:
        """Whether it strikes the database alone: the receiver has to live through that."""
        return self.kind.startswith(("postgres.", "disk.locked"))


def read(path: Path = FILE) -> dict[str, Fault]:
    """Read every row, in their order. Raises Mistake."""
    rows = tomllib.loads(path.read_text())
    return {name: _fault(name, row) for name, row in rows.items()}


def possible(faults: Mapping[str, Fault]) -> dict[str, Fault]:
    """Leave out what this machine and account cannot do."""
    root, compiler = os.geteuid() == 0, shutil.which("gcc") is not None
    return {
        name: fault
        for name, fault in faults.items()
        if (root or not fault.needs & _ROOT_ONLY) and (compiler or "shim" not in fault.needs)
    }


def _fault(name: str, row: Mapping[str, Any]) -> Fault:
    known = {each.name for each in fields(Fault)} - {"name", "parameters"}
    given = {key: value for key, value in row.items() if key in known}
    missing = {"kind", "of", "what"} - given.keys()
    if missing:
        raise Mistake(f"[{name}] has no {', '.join(sorted(missing))}")
    needs = frozenset(given.get("needs", ()))
    databases = tuple(given.get("databases", DATABASES))
    if needs - NEEDS or set(databases) - set(DATABASES):
        raise Mistake(
            f"[{name}] needs {sorted(needs - NEEDS)}, or a database that we do not run on"
        )
    given |= {"needs": needs, "databases": databases}
    if "seconds" in given:
        low, high = given["seconds"]
        given["seconds"] = (float(low), float(high))
    rest = {key: value for key, value in row.items() if key not in known}
    return Fault(name=name, parameters=rest, **given)
