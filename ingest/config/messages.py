"""The templates of [destinations.<name>] -> Message, compiled at the start."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ingest.config.mistakes import Mistakes
from ingest.config.references import References
from ingest.config.schema import DestinationTable
from ingest.events import DestinationKind
from ingest.message import Message, default_email, default_slack, default_text
from ingest.templates import Template, TemplateRefused, html, plain, slack

_DEFAULTS: dict[DestinationKind, Callable[[], Message]] = {
    DestinationKind.EMAIL: default_email,
    DestinationKind.SLACK: default_slack,
    DestinationKind.APPRISE: default_text,
}
_FILE = "file:"


def read_message(
    read: DestinationTable,
    kind: DestinationKind,
    table: str,
    references: References,
    mistakes: Mistakes,
) -> Message | None:
    """What people are told; None for a kind that tells nobody. Mistakes name key and line."""
    if kind not in _DEFAULTS:
        return None
    message = _DEFAULTS[kind]()
    text_language = slack if kind is DestinationKind.SLACK else plain
    written = {
        "subject": (read.subject, plain),
        "text": (read.text, text_language),
        "html": (read.html, html),
    }
    changes: dict[str, Any] = {}
    for key, (source, language) in written.items():
        if source is not None:
            changes[key] = _template(source, language, table, key, references, mistakes)
    if "text" in changes and "html" not in changes:
        changes["html"] = (
            None  # who writes a text of their own would not know the default beside it
        )
    return replace(message, **{key: each for key, each in changes.items() if each or key == "html"})


def _template(
    source: str,
    language: Callable[[str], Template],
    table: str,
    key: str,
    references: References,
    mistakes: Mistakes,
) -> Template | None:
    try:
        text = source
        if source.startswith(_FILE):
            text = references.read(source).decode()
        if text.strip():
            return language(text)
        mistakes.add(table, key, "is empty; leave it out for the default")
    except UnicodeDecodeError:
        mistakes.add(table, key, "the file is not UTF-8")
    except (TemplateRefused, ValueError) as error:
        mistakes.add(table, key, str(error))
    return None
