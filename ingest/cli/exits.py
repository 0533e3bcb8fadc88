"""Exit codes, and how an error that carries a decision becomes a message for a person."""

import enum
import sys
from typing import TYPE_CHECKING, NoReturn

from ingest import errors

if TYPE_CHECKING:
    from ingest.filters import Refused


class Exit(enum.IntEnum):
    """Stable: scripts may rely on them. 2 is also what a mistyped option gives."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3


EXPLANATION = """Exit codes: 0 all well; 1 it failed, or what you asked about is bad; 2 wrong
usage or configuration; 3 the database, the broker or the pipeline cannot be reached."""


class CommandFailed(errors.HookkeeperError):
    """A command cannot do what was asked; ``code`` is the process's exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


#: Fields of what is asked for that are not options of the same name.
_SPELLED = {"dataset": "DATASET", "types": "--type"}


def refusal(refused: "Refused") -> CommandFailed:
    """Say which part of the command line is wrong, and why."""
    option = _SPELLED.get(refused.field, f"--{refused.field}")
    return CommandFailed(f"{option}: {refused.reason}.", Exit.USAGE)


#: What is safe and what to do next, for errors whose message says only what happened.
_ADVICE: dict[type[errors.HookkeeperError], tuple[Exit, str]] = {
    errors.ConfigError: (Exit.USAGE, "Nothing was started or changed."),
    errors.StoreRefused: (Exit.USAGE, "Nothing was read or changed."),
    errors.StoreUnavailable: (
        Exit.UNREACHABLE,
        "Nothing was changed; what was acknowledged is kept. `hookkeeper doctor` says more.",
    ),
    errors.BrokerUnavailable: (
        Exit.UNREACHABLE,
        "Nothing is lost: the scheduler delivers it later. `hookkeeper doctor` says more.",
    ),
    errors.NotFound: (Exit.FAILED, "Nothing was changed."),
}


def explain(error: errors.HookkeeperError) -> tuple[Exit, str]:
    """The exit code, and the text for stderr: what happened, what is safe, what to do."""
    if isinstance(error, CommandFailed):
        return error.code, f"hookkeeper: {error}"
    for kind, (code, advice) in _ADVICE.items():
        if isinstance(error, kind):
            return code, f"hookkeeper: {error}\n{advice}"
    return Exit.FAILED, f"hookkeeper: {error}"


def stop(error: errors.HookkeeperError) -> NoReturn:
    """Say it on stderr and leave with its code."""
    code, text = explain(error)
    print(text, file=sys.stderr)
    raise SystemExit(code)
