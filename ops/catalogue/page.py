"""The page of all providers, beside their tables: counted on top, then one line each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ingest.providers import wording
from ingest.providers.finding import EVIDENCE
from ingest.providers.sheet import Sheet, sheet
from ingest.verify import Provider, load_catalogue

PAGE = Path(__file__).parents[2] / "ingest" / "verify" / "catalogue" / "README.md"

_HEAD = """\
# Providers

<!-- Written by `python -m ops.catalogue` from the *.toml of this folder. Do not edit. -->

Every name that `provider` of a source may say. `hookkeeper providers show NAME` has the rest: the
address to paste, a `[sources.NAME]` to copy, what is signed, where type and id of an event stand,
what the provider asks first, and what it is answered.
"""


def rendered(catalogue: Mapping[str, Provider] | None = None) -> str:
    """The whole page as Markdown."""
    sheets = [sheet(one) for one in (catalogue or load_catalogue()).values()]
    return "\n".join((_HEAD, *_counts(sheets), *_families(sheets))) + "\n"


def _counts(sheets: list[Sheet]) -> Iterator[str]:
    """How many, by kind of proof and by evidence."""
    count = Counter((one.family, one.evidence) for one in sheets)
    yield _row("proof", *EVIDENCE, "all")
    yield _row("---", *["---:"] * (len(EVIDENCE) + 1))
    for family, means in wording.FAMILIES.items():
        numbers = [count[family, evidence] for evidence in EVIDENCE]
        yield _row(f"[{means}](#{_anchor(means)})", *numbers, sum(numbers))
    totals = [sum(one.evidence == evidence for one in sheets) for evidence in EVIDENCE]
    yield _row("**all**", *totals, len(sheets))
    yield ""
    for evidence in EVIDENCE:
        yield f"* **{evidence}**: {wording.EVIDENCE[evidence]}."
    asks = sum(bool(one.handshakes) for one in sheets)
    timed = sum(one.deadline_seconds is not None for one in sheets)
    yield f"\n{asks} ask something before they send; of {timed} it is known how long they wait."


def _families(sheets: list[Sheet]) -> Iterator[str]:
    for family, means in wording.FAMILIES.items():
        yield f"\n## {means}\n"
        yield _row("provider", "name", "evidence", "proved by", "set up")
        yield _row(*["---"] * 5)
        yield from map(_line, (one for one in sheets if one.family == family))


def _line(one: Sheet) -> str:
    name = f"[{one.name}]({one.docs})" if one.docs.startswith("https://") else one.name
    proved = "; or ".join((one.algorithm, *one.also))
    return _row(f"`{one.provider}`", name, one.evidence, proved, one.setup)


def _row(*cells: object) -> str:
    return f"| {' | '.join(_escaped(cells))} |"


def _escaped(cells: Iterable[object]) -> Iterator[str]:
    # A "<" would begin a tag, a "|" the next cell.
    return (str(cell).replace("|", "\\|").replace("<", "&lt;") for cell in cells)


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")
