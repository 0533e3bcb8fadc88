"""The hostile requests of ``tests/web/hostile/``: raw bytes, and what may come of them."""

import gzip
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("hostile")
_SHORT = re.compile(r"«(\d+)\*(.+?)»|«gzip(| in chunks) (\d+)»", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request. ``status`` of the first answer, ``stored`` the bodies kept of it, bare.

    ``may``: bodies of which a proxy may let one through, mended.
    """

    name: str
    raw: bytes
    status: int
    stored: tuple[bytes, ...]
    may: tuple[bytes, ...]

    def allows(self, stored: Sequence[bytes]) -> bool:
        """Whether it is safe that a proxy let just these bodies through."""
        if not stored or tuple(stored) == self.stored:
            return True
        return len(stored) == 1 and stored[0] in (*self.may, *self.stored[:1])


def hostile_requests() -> list[Hostile]:
    """All of them, by file and in its order."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in tomllib.loads(path.read_text("utf-8"))["request"]:
            texts = {key: entry.get(key, []) for key in ("stored", "may")}
            bodies = {key: tuple(_bytes(text) for text in each) for key, each in texts.items()}
            name = f"{path.stem}: {entry['name']}"
            found.append(Hostile(name, _bytes(entry["raw"]), entry["status"], **bodies))
    return found


def _bytes(text: str) -> bytes:
    return _expanded(text).encode("latin-1")


def _expanded(text: str) -> str:
    return _SHORT.sub(_one, text)


def _one(found: re.Match[str]) -> str:
    if found[1]:
        return found[2] * int(found[1])
    packed = gzip.compress(bytes(int(found[4])), mtime=0).decode("latin-1")
    return _chunked(packed) if found[3] else packed


def _chunked(text: str) -> str:
    size = 10_000
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in [*pieces, ""])
