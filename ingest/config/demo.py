"""The configuration that ``ops/up`` starts with where there is none: four sources, one handler."""

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
    """A working configuration with fresh secrets in ``secrets_dir``.

    A relative ``secrets_dir`` is relative to the folder that the text is written to.
    """
    template = resources.files("ingest.config").joinpath("demo.toml").read_text("utf-8")
    # A JSON string's escapes are a TOML string's too (https://toml.io/en/v1.0.0#string).
    folder = json.dumps(str(secrets_dir), ensure_ascii=False)[1:-1]
    return Demo(
        template.replace("<secrets>", folder),
        {
            secrets_dir / "github": token(),
            secrets_dir / "stripe": f"whsec_{token()}",
            secrets_dir / "shopify": token(),
            secrets_dir / "acme": token(),
        },
    )
