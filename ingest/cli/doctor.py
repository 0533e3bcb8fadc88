"""``hookkeeper doctor``: is everything as it has to be, and if not, what to do."""
# ruff: noqa: PLC0415  imports wait until the command runs: --help has 150 ms

import typer

from ingest.cli import output
from ingest.cli.exits import Exit
from ingest.cli.output import Json


def doctor(as_json: Json = False) -> None:
    """Check everything the pipeline stands on, and say what to do.

    Exit code 1 when a check fails; a warning is no failure.
    """
    from ingest.cli.checks import examine
    from ingest.cli.findings import Level

    findings = examine()
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    if as_json:
        output.document({"ok": not failed, "checks": findings})
    else:
        for finding in findings:
            print(f"{finding.level:<5} {finding.name:<14} {output.printable(finding.message)}")
            if finding.advice:
                print(f"{'':<20} {output.printable(finding.advice)}")
        if failed:
            print(f"\n{len(failed)} of {len(findings)} checks failed.")
    if failed:
        raise typer.Exit(Exit.FAILED)
