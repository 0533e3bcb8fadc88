"""URLs of apprise, the library of a hundred more channels: an extra, imported when asked for."""

from importlib import import_module
from importlib.util import find_spec

_INSTALL = 'it needs the apprise extra: pip install "hookkeeper[apprise]"'


def check_apprise(url: str) -> str:
    """What is wrong with a URL, without repeating it, which is a secret; "" where it is right."""
    if find_spec("apprise") is None:
        return _INSTALL
    if import_module("apprise").Apprise.instantiate(url, suppress_exceptions=True) is None:
        return "is no URL that apprise knows; see its list of services for the form of yours"
    return ""
