"""The other end of shim.c: compiles it, and writes the page that says what is wrong now."""

import errno
import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
_CLOCK, _FSYNC_ERRNO, _FSYNC_DELAY, _WRITE_ERRNO, _TWINS = 0, 8, 12, 16, 20
_PREFIX, _TWIN_FOLDER, _SIZE = 24, 264, 504
#: shim.c replaces the slashes of a path by this in the name of a twin.
_SLASH = "%"


def compile_shim(folder: Path) -> Path:
    """Compile the shim into a folder. Raises CalledProcessError with the compiler's words."""
    library = folder / "shim.so"
    if not library.exists():
        words = ["gcc", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
        subprocess.run([*words, "-o", str(library), str(_SOURCE), "-ldl"], check=True)
        library.chmod(0o755)
    return library


class Shim:
    """What some processes are told about the disk below ``prefix`` and about the time."""

    def __init__(self, library: Path, page: Path, prefix: Path, twins: Path | None) -> None:
        self.prefix, self.twins = prefix, twins
        page.write_bytes(bytes(_SIZE))
        page.chmod(0o644)
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _SIZE)
        self._text(_PREFIX, str(prefix))
        if twins is not None:
            self._text(_TWIN_FOLDER, str(twins))
            self._number("<i", _TWINS, 1)
        self.environ = {"LD_PRELOAD": str(library), "TORTURE_SHIM": str(page)}

    def clock(self, offset_seconds: float) -> None:
        """Move the wall clock of the processes, and nothing else."""
        self._number("<q", _CLOCK, int(offset_seconds * 1e9))

    def fail_fsync(self, *, on: bool) -> None:
        """Let fsync fail with EIO, and write nothing."""
        self._number("<i", _FSYNC_ERRNO, errno.EIO if on else 0)

    def slow_fsync(self, seconds: float) -> None:
        """Let each fsync take so much longer."""
        self._number("<i", _FSYNC_DELAY, int(seconds * 1e6))

    def fail_writes(self, number: int) -> None:
        """Let writes fail with an errno; 0 lets them through."""
        self._number("<i", _WRITE_ERRNO, number)

    def snapshot(self) -> None:
        """Take all that is there now for synced: made before the shim was."""
        if self.twins is not None:
            for path, twin in self._files():
                shutil.copyfile(path, twin)
                twin.chmod(0o666)

    def lose_power(self) -> None:
        """Leave of each file what its last fsync left. Nothing that writes may be running."""
        for path, twin in self._files():
            if twin.exists():
                shutil.copyfile(twin, path)
            elif path.suffix != ".lock":  # of no contents: it may stay
                path.unlink()

    def close(self) -> None:
        """Let go of the page."""
        self._page.close()

    def _files(self) -> list[tuple[Path, Path]]:
        """Each file of the folder, and where its twin is, if it has one."""
        twins = self.twins
        assert twins is not None
        files = [path for path in self.prefix.rglob("*") if path.is_file()]
        names = [str(path.relative_to(self.prefix)).replace("/", _SLASH) for path in files]
        return [(path, twins / name) for path, name in zip(files, names, strict=True)]

    def _text(self, offset: int, text: str) -> None:
        self._page[offset : offset + 240] = os.fsencode(text).ljust(240, b"\0")

    def _number(self, kind: str, offset: int, value: int) -> None:
        struct.pack_into(kind, self._page, offset, value)
