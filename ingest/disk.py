"""How much room is left where events are kept: the receiver refuses before it is none."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_CACHED_SECONDS = 1.0


class Disk:
    """Free bytes of the fullest of some folders, looked up at most once a second.

    ``low_water``: bytes. ``clock``: monotonic seconds. A folder that cannot be examined has no
    room: writing there would fail too.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        low_water: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        self._folders = tuple(folders)
        self._low_water = low_water
        self._clock = clock
        self._free_of = free or _free_bytes
        self._looked_at = float("-inf")
        self._free = 0

    @property
    def free(self) -> int:
        """Bytes that an ordinary user may still write, at most a second old."""
        now = self._clock()
        if now - self._looked_at >= _CACHED_SECONDS:
            self._free = min(self._free_of(folder) for folder in self._folders)
            self._looked_at = now
        return self._free

    @property
    def room(self) -> int:
        """Bytes that may be written before the receiver refuses; negative when it does."""
        return self.free - self._low_water

    @property
    def low(self) -> bool:
        """Whether the receiver should refuse new events."""
        return self.room < 0


def _free_bytes(folder: Path) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
