"""What commands print: a table for people, tab-separated lines for pipes, JSON for programs.

Text from senders may hold anything, so control characters never reach a terminal as such.
"""

import base64
import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

_WIDEST = 10_000
_GAP = 2  # blanks between two columns
_LEAST = 24  # characters below which a cut column says nothing

#: The ``--json`` of every command.
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def plain(value: object) -> Any:
    """A dataclass, named tuple, enum, tuple or bytes as what ``json.dumps`` takes.

    Bytes become text where they are UTF-8, else ``{"base64": ...}``.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def document(value: object) -> None:
    """Print one JSON document: indented on a terminal, one line otherwise."""
    print(json.dumps(plain(value), indent=2 if sys.stdout.isatty() else None))


def line(value: object) -> None:
    """Print one JSON object on a line of its own, at once: streams are read while they grow."""
    print(json.dumps(plain(value)), flush=True)


def moment(at: int | None) -> str:
    """Milliseconds since the epoch as UTC to the second, or "" for none."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def ago(milliseconds: int) -> str:
    """A duration in its largest fitting unit: ``42s``, ``7m``, ``3h``, ``9d``."""
    seconds = max(0, milliseconds) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def printable(text: object) -> str:
    """Text with every control character made visible, so that it cannot drive a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def counted(count: int, word: str) -> str:
    """``1 handler``, ``2 handlers``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()
) -> None:
    """Rows under their columns: drawn by rich on a terminal, tab-separated in a pipe.

    ``spare``: the columns that a narrow terminal can do without, the least important first; the
    last of them is not left out but cut.
    """
    cells = [[printable("" if cell is None else cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(columns), *cells]:
            print("\t".join(row))
        return
    from rich.console import Console  # noqa: PLC0415  40 ms that only a terminal pays
    from rich.table import Table  # noqa: PLC0415  as above
    from rich.text import Text  # noqa: PLC0415  as above

    console = Console()
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    shown = fitting(columns, cells, spare, console.width)
    for place, width in shown.items():
        drawn.add_column(columns[place], no_wrap=True, max_width=width)
    for row in cells:
        drawn.add_row(*(Text(row[place]) for place in shown))  # Text: "[red]" in data is data
    # A row that is wider than the terminal wraps as a line: ids stay whole, to be copied.
    unbounded = console.options.update(max_width=_WIDEST)
    console.width = max(console.width, console.measure(drawn, options=unbounded).maximum)
    console.print(drawn)


def fitting(
    columns: Sequence[str], cells: Sequence[Sequence[str]], spare: Sequence[str], room: int
) -> dict[int, int]:
    """The columns of a table that ``room`` characters can hold, by place, with their widths."""
    widths = {
        place: max(map(len, [name, *(row[place] for row in cells)]))
        for place, name in enumerate(columns)
    }
    if not spare:
        return widths
    *left_out, cut = (columns.index(name) for name in spare)
    longest = widths[cut]
    widths[cut] = min(longest, _LEAST)
    for place in left_out:
        if _total(widths) > room:
            del widths[place]
    widths[cut] = min(longest, max(widths[cut], widths[cut] + room - _total(widths)))
    return widths


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def note(text: str) -> None:
    """Say something beside the result, on stderr, so that stdout stays the result."""
    print(text, file=sys.stderr)
