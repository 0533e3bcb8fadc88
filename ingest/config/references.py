"""Secrets are named, never written: "env:NAME" or "file:PATH"."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FORMS = '"env:NAME" (an environment variable) or "file:PATH" (a file)'


@dataclass(frozen=True, slots=True)
class References:
    """Where references lead: variables to ``environ``, relative paths to ``folder``."""

    environ: Mapping[str, str]
    folder: Path

    def read(self, reference: str) -> bytes:
        """The secret that is meant. Raises ValueError that says what to do, never the secret."""
        kind, separator, rest = reference.partition(":")
        if separator and kind == "env":
            return self._variable(rest)
        if separator and kind == "file":
            return self._file(rest)
        # Not quoted back: what was written here is probably the secret.
        raise ValueError(
            f"expected {_FORMS}, got a literal; move the secret out of this file, which ends up "
            "in backups and version control"
        )

    def _variable(self, name: str) -> bytes:
        value = self.environ.get(name)
        if value is None:
            raise ValueError(
                f"environment variable {name} is not set; export it, or keep the secret in a "
                'file and write "file:PATH"'
            )
        if not value.strip():
            raise ValueError(
                f"environment variable {name} is empty; an empty secret proves nothing"
            )
        return value.encode(errors="surrogateescape")

    def _file(self, name: str) -> bytes:
        path = self.path(name)
        try:
            # An editor's or echo's last newline is not part of a secret; a space might be.
            value = path.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ValueError(
                f"file {path} cannot be read ({reason}); create it, readable by this user only"
            ) from None
        if not value.strip():
            raise ValueError(f"file {path} is empty; an empty secret proves nothing")
        return value

    def path(self, name: str) -> Path:
        """The file that "file:<name>" means."""
        return self.folder / name


def file_references(document: object, without: Collection[str] = ()) -> Iterator[str]:
    """The PATH of every "file:PATH" anywhere in a parsed file, valid otherwise or not.

    ``without``: keys whose files are not asked for.
    """
    if isinstance(document, str) and document.startswith("file:"):
        yield document.removeprefix("file:")
    elif isinstance(document, Mapping):
        for key, each in document.items():
            if key not in without:
                yield from file_references(each, without)
    elif isinstance(document, list):
        for each in document:
            yield from file_references(each, without)
