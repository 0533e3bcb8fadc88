"""Where exports are written: a local directory, or an object store through obstore.

A file is written aside and then published under its name as a whole, so nobody ever reads half of
one. Credentials of object stores come from the environment, by the names that their own tools use.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol
from urllib.parse import urlsplit

from ingest.errors import ConfigError, HookkeeperError
from ingest.filters import Refused

if TYPE_CHECKING:
    from obstore.store import ObjectStore, RetryConfig

#: Schemes of object stores, and where their credentials come from.
CLOUDS: Mapping[str, str] = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
}
_PATIENCE = timedelta(seconds=60)
_UPLOADS = 4  # parts of 5 MB that are in memory at once


class PlaceUnavailable(HookkeeperError):
    """A file could not be written to, or read from, where exports go."""


class Place(Protocol):
    """Names are relative, with "/" between folders. Every method may raise PlaceUnavailable."""

    def check(self) -> None:
        """Prove that it is there and can be reached."""

    def writing(self, name: str, aside: str) -> AbstractContextManager[BinaryIO]:
        """Write a file, which is published when the block ends, and gone where that raises.

        ``aside``: a folder for what is not published yet, where there is need of one.
        """

    def read(self, name: str) -> bytes | None:
        """Return what a file holds; None where there is none."""

    def names(self, folder: str) -> list[str]:
        """Return the names of all published files below a folder, in order."""

    def remove(self, folder: str) -> None:
        """Remove a folder and all that is in it."""


def open_place(url: str) -> Place:
    """Open a directory (a path, ``file://``) or an object store (``s3://``, ``gs://``, ``az://``).

    Raises Refused for what cannot be one, ConfigError where obstore is needed and not installed.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme in CLOUDS:
        return _cloud(url, scheme)
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc or not parts.path:
            raise Refused("to", f"{url} names no directory: write file:///path, or just the path")
        return LocalPlace(Path(parts.path))
    if "://" in url or not url.strip():
        clouds = ", ".join(f"{cloud}://" for cloud in CLOUDS)
        shown = repr(url) if "@" not in url else f"{scheme}://..."  # it may hold a password
        raise Refused("to", f"{shown} is no place for an export: use a directory, {clouds}")
    return LocalPlace(Path(url))


class LocalPlace:
    """A directory, made where it is missing. What is published is on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self) -> None:
        """Make the directory and a file in it."""
        if self._folder.exists() and not self._folder.is_dir():
            raise Refused("to", f"{self._folder} is a file; name a directory")
        with _translated(self._folder):
            missing = [each for each in (self._folder, *self._folder.parents) if not each.exists()]
            self._folder.mkdir(parents=True, exist_ok=True)
            for each in missing:
                _sync(each.parent)
            tempfile.TemporaryFile(dir=self._folder).close()

    @contextmanager
    def writing(self, name: str, aside: str) -> Iterator[BinaryIO]:
        """Write it in ``aside``, sync it, rename it, and sync the folders that lead to it."""
        target = self._folder / name
        with _translated(target):
            number, path = self._aside(self._folder / aside)
        try:
            with _translated(target):
                with os.fdopen(number, "wb") as file:
                    yield file
                    file.flush()
                    os.fsync(number)
                target.parent.mkdir(parents=True, exist_ok=True)
                Path(path).rename(target)
                # All up to the export's: a neighbour may have made some that are not on disk yet.
                for folder in target.parents[: len(Path(name).parts)]:
                    _sync(folder)
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise

    @staticmethod
    def _aside(folder: Path) -> tuple[int, str]:
        try:
            return tempfile.mkstemp(".partial", dir=folder)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            return tempfile.mkstemp(".partial", dir=folder)

    def read(self, name: str) -> bytes | None:
        """Return what the file holds."""
        with _translated(self._folder / name), suppress(FileNotFoundError, NotADirectoryError):
            return (self._folder / name).read_bytes()
        return None

    def names(self, folder: str) -> list[str]:
        """Return what is published: all that is not aside."""
        found = (path for path in (self._folder / folder).rglob("*") if path.is_file())
        names = (path.relative_to(self._folder).as_posix() for path in found)
        return sorted(name for name in names if not name.endswith(".partial"))

    def remove(self, folder: str) -> None:
        """Remove the folder."""
        with _translated(self._folder / folder), suppress(FileNotFoundError):
            shutil.rmtree(self._folder / folder)


class CloudPlace:
    """A prefix of a bucket. A put is atomic; an upload in parts is nothing until its last word.

    Parts of an upload that died are invisible, and removed by the bucket's own rule for them.
    """

    def __init__(self, store: "ObjectStore", url: str) -> None:
        self._store = store
        self._url = url

    def check(self) -> None:
        """Ask for one name."""
        with self._translated():
            next(iter(self._store.list(chunk_size=1)), None)

    @contextmanager
    def writing(self, name: str, aside: str) -> Iterator[BinaryIO]:
        """Write it to a local file without a name, and upload that."""
        del aside
        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            with self._translated():
                self._store.put(name, file, max_concurrency=_UPLOADS)

    def read(self, name: str) -> bytes | None:
        """Return what the object holds."""
        with self._translated(), suppress(FileNotFoundError):
            return bytes(self._store.get(name).bytes())
        return None

    def names(self, folder: str) -> list[str]:
        """Return the names of all objects below the folder."""
        with self._translated():
            pages = self._store.list(folder, chunk_size=1_000)
            return sorted(found["path"] for page in pages for found in page)

    def remove(self, folder: str) -> None:
        """Remove its objects."""
        with self._translated():
            if names := self.names(folder):
                self._store.delete(names)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra: loaded with the store

        try:
            yield
        except (BaseError, OSError) as error:
            raise PlaceUnavailable(f"{self._url}: {_first_line(error)}") from error


def _cloud(url: str, scheme: str) -> CloudPlace:
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise Refused(
            "to", f"a {scheme}:// URL holds no credentials or options: set {CLOUDS[scheme]}"
        )
    if not parts.hostname:
        raise Refused("to", f"{url} names no bucket: write {scheme}://BUCKET/FOLDER")
    try:
        from obstore.store import from_url  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(
            f"{scheme}:// needs an extra package: pip install 'hookkeeper[export]'"
        ) from None
    retries: RetryConfig = {"max_retries": 5, "retry_timeout": _PATIENCE}
    try:
        return CloudPlace(from_url(url, retry_config=retries), url)
    except Exception as error:  # noqa: BLE001 - its own errors and ValueError: all speak of the URL
        raise Refused("to", f"{url}: {_first_line(error)} (set {CLOUDS[scheme]})") from None


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PlaceUnavailable(f"{path}: {error.strerror or error}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
