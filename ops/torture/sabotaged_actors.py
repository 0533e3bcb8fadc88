"""What dramatiq imports in place of ``actors`` in a sabotaged worker, in each of its processes."""

import os

from ops.torture.sabotage import PROTECTIONS, VARIABLE

PROTECTIONS[os.environ[VARIABLE]]()

from actors import broker  # noqa: E402 - the protection goes first

__all__ = ["broker"]
