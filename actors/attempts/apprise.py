"""One message through apprise, the library of a hundred more channels: an optional extra.

It opens connections by itself, past ``outbound``: only operators write its URLs. It says whether
a message was taken, not why not, so every failure is tried again.
"""

from importlib import import_module

from ingest.config.model import Destination
from ingest.events import AttemptOutcome, AttemptResult
from ingest.message import Written


def attempt(to: Destination, written: Written) -> AttemptResult:
    """Hand a message over, in this thread."""
    try:
        library = import_module("apprise")
    except ImportError:
        return _failed("The apprise extra is not installed: pip install 'hookkeeper[apprise]'")
    channel = library.Apprise.instantiate(to.url, suppress_exceptions=True)
    if channel is None:
        return _failed("The URL is not one that this version of apprise knows.")
    taken = channel.notify(title=written.subject, body=written.text, body_format="text")
    if taken:
        return AttemptResult(AttemptOutcome.SUCCEEDED, "ok")
    return _failed("apprise could not hand it over; its own log, of the name apprise, says why.")


def _failed(message: str) -> AttemptResult:
    return AttemptResult(AttemptOutcome.RETRYABLE, "apprise_failed", message)
