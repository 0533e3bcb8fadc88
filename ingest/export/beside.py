"""The second process of an export (``python -m ingest.export.beside``): writes chunks on demand.

It reads lines of JSON: first where the rows are, where they go, and which export it is, and then
the number of one chunk at a time. It answers ``{"rows": ...}`` while it writes a chunk, and with
what it wrote. It ends with its input, and so with its parent, however that ends: what it was at
lies aside, where nobody reads it, and is removed with the end of the export.
"""

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from ingest.errors import HookkeeperError
from ingest.export.exporting import read_plan
from ingest.export.places import open_place
from ingest.export.writing import collect_rarely, write_chunk
from ingest.store import open_database


def main() -> int:
    """Write what is asked for; 1 where that cannot be: the parent tries it, and tells people."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both: the parent ends this one
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what somebody prints is no answer
    collect_rarely()
    try:
        _serve(_lines(), answers)
    except (HookkeeperError, OSError):
        return 1
    return 0


def _serve(lines: Iterator[bytes], answers: BinaryIO) -> None:
    first = orjson.loads(next(lines))
    database, place = open_database(first["database"]), open_place(first["to"])
    export = read_plan(place, first["export"])

    def answer(said: object) -> None:
        answers.write(orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE))

    def told(rows: int) -> None:
        answer({"rows": rows})

    for line in lines:
        chunk = export.chunks[orjson.loads(line)]
        answer(write_chunk(database, place, export, chunk, told, on_large=_give_up))


def _give_up() -> None:
    raise HookkeeperError("large bodies are for the parent: both would take too much memory")


def _lines() -> Iterator[bytes]:
    """Return the lines of the input; where it ends, so does the process, in the middle of a chunk.

    Raises nothing.
    """
    read: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def follow() -> None:
        for line in sys.stdin.buffer:
            read.put(line)
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()
    return iter(read.get, None)


if __name__ == "__main__":
    sys.exit(main())
