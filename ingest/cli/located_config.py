"""The configuration that a command finds in its folder, and where its handlers are imported from.

Apart from ``located``, because reading it costs 200 ms that a list of events does not need.
"""

import os
import sys
from pathlib import Path

from ingest.config.load import load_config
from ingest.config.model import Config
from ingest.config.settings import Settings
from ingest.verify import load_catalogue


def located_config(settings: Settings) -> Config:
    """The configuration of this folder. Raises ConfigError."""
    return load_config(settings.config_path, os.environ, load_catalogue())


def add_handlers_path() -> None:
    """Let handler modules be imported from the folder the command runs in, as workers do."""
    if sys.path[0] != str(Path.cwd()):
        sys.path.insert(0, str(Path.cwd()))
