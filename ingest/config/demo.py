"""What ``ops/up`` starts with where nothing is configured: sources, a handler, an export."""

import json
import secrets
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import NamedTuple


class Demo(NamedTuple):
    """The text of a hookkeeper.toml, and its secret files, which the caller writes 0600."""

    text: str
    secrets: Mapping[Path, str]


def demo(secrets_dir: Path, token: Callable[[], str] = secrets.token_hex) -> Demo:
    """A working configuration with fresh secrets in ``secrets_dir``, and exports beside it.

    A relative ``secrets_dir`` is relative to the folder that the text is written to.
    """
    template = resources.files("ingest.config").joinpath("demo.toml").read_text("utf-8")
    text = template.replace("<secrets>", _quoted(secrets_dir))
    return Demo(
        text.replace("<data>", _quoted(secrets_dir.parent)),
        {
            secrets_dir / "github": token(),
            secrets_dir / "stripe": f"whsec_{token()}",
            secrets_dir / "shopify": token(),
            secrets_dir / "acme": token(),
        },
    )


def _quoted(path: Path) -> str:
    """A JSON string's escapes are a TOML string's too (https://toml.io/en/v1.0.0#string)."""
    return json.dumps(str(path), ensure_ascii=False)[1:-1]
