"""A folder with a hookkeeper.toml in it, loaded as a process would load it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ingest.config.load import load_config
from ingest.config.model import Config
from ingest.errors import ConfigError
from ingest.verify.catalogue import load_catalogue


@dataclass
class Folder:
    """Where hookkeeper.toml and its secrets are. ``environ`` is all that the process is given."""

    path: Path
    environ: dict[str, str] = field(default_factory=lambda: {"SECRET": "correct horse"})

    @property
    def file(self) -> Path:
        return self.path / "hookkeeper.toml"

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def load(self, text: str) -> Config:
        self.write(text)
        return self.load_as_it_is()

    def load_as_it_is(self) -> Config:
        return load_config(self.file, self.environ, load_catalogue())

    def refused(self, text: str) -> str:
        """The message that a wrong file is refused with."""
        with pytest.raises(ConfigError) as refusal:
            self.load(text)
        return str(refusal.value)

    def secret(self, name: str, value: str, mode: int = 0o600) -> Path:
        path = self.path / name
        path.write_text(value)
        path.chmod(mode)
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
