"""Rejected requests on their way to the writer: how much may be there at once.

The receiver sends no more than ``OUTSTANDING_BYTES`` that the writer has not settled. It is apart
from ``rejected.py`` so that the receiver loads no SQLAlchemy: that is a quarter of its start.
"""

from collections import deque

from ingest.rejection import RejectedRequest

OUTSTANDING_BYTES = 4_000_000


class Outstanding:
    """The receiver's count of what it has sent and the writer has not settled."""

    def __init__(self) -> None:
        self._sizes: deque[int] = deque()
        self._bytes = 0

    def add(self, request: RejectedRequest) -> bool:
        """Count one; False where it would be too much."""
        size = request.size
        if self._bytes + size > OUTSTANDING_BYTES:
            return False
        self._sizes.append(size)
        self._bytes += size
        return True

    def settle(self, count: int) -> None:
        """Forget the oldest."""
        for _ in range(count):
            self._bytes -= self._sizes.popleft()

    def clear(self) -> None:
        """Forget all: their writer has ended."""
        self._sizes.clear()
        self._bytes = 0
