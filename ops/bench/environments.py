"""A virtual environment for each peer, made when it is first needed; ARQ and Celery exclude each
other. They stay in .bench, which git ignores.
"""

import subprocess
import sys
from pathlib import Path

from ops.bench.hookkeeper import ROOT

FOLDER = ROOT / ".bench"


def python_of(requirements: Path) -> Path:
    """Return the interpreter of an environment that holds a requirements file's packages.

    Raises subprocess.CalledProcessError if they cannot be installed.
    """
    folder = FOLDER / requirements.stem
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = f"{sys.version}\n{requirements.read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--requirement", requirements], check=True)
    stamp.write_text(wanted)
    return python
