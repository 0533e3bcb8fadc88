"""The text of a first hookkeeper.toml: every key, explained, all of it commented out."""

from importlib import resources


def commented_sample() -> str:
    """What ``hookkeeper init`` writes. ``# text`` explains, ``#key`` is a key to switch on."""
    return resources.files("ingest.config").joinpath("sample.toml").read_text("utf-8")
