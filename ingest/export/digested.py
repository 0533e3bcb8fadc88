"""A file that knows its length and digest when it is written: bytes are counted as they pass."""

import hashlib
import io
from typing import BinaryIO


class DigestedFile(io.RawIOBase):
    """Passes on to a file, which it does not close; written from its beginning to its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._bytes = 0

    @property
    def sha256(self) -> str:
        """The digest of all that was written, hexadecimal."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        """It is for writing only."""
        return True

    def tell(self) -> int:
        """How many bytes were written."""
        return self._bytes

    def write(self, piece: "bytes | memoryview") -> int:  # type: ignore[override]  # typeshed's Buffer is of Python 3.12
        """Write all of a piece."""
        self._file.write(piece)
        self._digest.update(piece)
        self._bytes += len(piece)
        return len(piece)
