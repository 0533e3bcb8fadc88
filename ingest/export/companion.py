"""A second process for an export: rows become Parquet in Python, which uses one core a process.

It only makes things faster. What it does not write, for whatever reason, the export writes itself,
and says then what is wrong. The process is ``beside.py``; what the two say is there as well.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

import orjson

from ingest.export import manifest
from ingest.export.chunks import Chunk
from ingest.export.manifest import Export, WrittenChunk
from ingest.store import Database

#: Its start takes half a second, in which one process writes 40,000 rows (measured).
WORTH_ROWS = 50_000


class Companion:
    """Takes some of the chunks that are missing; a context manager.

    ``to``: the place, as ``open_place`` has it. Without one there is no second process, nor where
    there is one core, or little to do.
    """

    def __init__(
        self, db: Database, to: str | None, export: Export, missing: Collection[Chunk]
    ) -> None:
        #: What it wrote; complete when ``left`` has ended.
        self.written: dict[int, WrittenChunk] = {}
        self._missing = deque(missing)
        url = db.url.render_as_string(hide_password=False)
        self._first_word = {"database": url, "to": to, "export": export.id}
        self._rows = 0  # of the chunk that it is at
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="companion")
        is_much = sum(chunk.rows for chunk in missing) >= WORTH_ROWS
        self._is_worth_it = to is not None and is_much and (os.cpu_count() or 1) > 1

    @property
    def rows(self) -> int:
        """How many rows it has written by now."""
        return self._rows + sum(chunk.rows for chunk in list(self.written.values()))

    def left(self) -> Iterator[Chunk]:
        """Return the chunks that are not its own: at last one that it did not bring to an end."""
        yield from self._taken()
        if self._process is not None:
            self._thread.join()
            yield from self._taken()

    def end(self) -> None:
        """End it now, so that its memory is free. What it was writing is left."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        if self._is_worth_it:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ingest.export.beside"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._missing.clear()
        self.end()  # it is idle, or the export has failed
        if self._process is not None:
            self._thread.join()
            with suppress(BrokenPipeError), self._process:
                pass  # its pipes are closed

    def _taken(self) -> Iterator[Chunk]:
        with suppress(IndexError):  # both processes take from it
            while True:
                yield self._missing.popleft()

    def _work(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        orders, answers = self._process.stdin, self._process.stdout
        with suppress(OSError):
            _say(orders, self._first_word)
            for chunk in self._taken():
                if not self._has_written(chunk, orders, answers):
                    self._missing.appendleft(chunk)
                    return

    def _has_written(self, chunk: Chunk, orders: IO[bytes], answers: IO[bytes]) -> bool:
        with suppress(BrokenPipeError):
            _say(orders, chunk.number)
        while line := answers.readline():
            answer = orjson.loads(line)
            if "files" in answer:
                self.written[chunk.number] = manifest.from_json(WrittenChunk, line)
                self._rows = 0
                return True
            self._rows = answer["rows"]
        self._rows = 0
        return False


def _say(orders: IO[bytes], word: object) -> None:
    orders.write(orjson.dumps(word, option=orjson.OPT_APPEND_NEWLINE))
    orders.flush()
