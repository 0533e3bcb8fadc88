"""What a notification says: the templates of a destination, and good ones for who writes none."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.event_view import EventView
from ingest.events import Event
from ingest.templates import Template, html, plain, slack

#: Events that a digest shows; it counts the others.
SHOWN = 20
SUBJECT_LENGTH = 200
TEXT_LENGTH = 100_000  # more of a message nobody reads, and servers refuse
SLACK_LENGTH = 39_000  # https://api.slack.com/changelog: a text is cut after 40,000 characters

_CUT = "\n[...] The rest was cut."
_SUBJECT = "{% if count > 1 %}{{ count }} events: {% endif %}{{ event.title }}"
_TEXT = """\
{% if count > 1 %}{{ count }} events for {{ destination }}

{% endif %}
{% for each in events %}
{{ each.title }}
{{ each.time }}
{{ each.hint }}

{% endfor %}
{% if more %}and {{ more }} more.
{% endif %}"""
_HTML = """\
<!doctype html>
<html><body style="font-family:sans-serif">
{% if count > 1 %}<p>{{ count }} events for {{ destination }}</p>
{% endif %}
{% for each in events %}
<p><strong>{{ each.title }}</strong><br>{{ each.time }}<br>
<code>{{ each.hint }}</code></p>
{% endfor %}
{% if more %}<p>and {{ more }} more.</p>
{% endif %}
</body></html>
"""
_SLACK = """\
{% if count > 1 %}*{{ count }} events for {{ destination }}*
{% endif %}
{% for each in events %}
*{{ each.title }}*
{{ each.time }}  `{{ each.hint }}`
{% endfor %}
{% if more %}and {{ more }} more.
{% endif %}"""


@dataclass(frozen=True, slots=True)
class Written:
    """A message in words. ``html`` None: text alone."""

    subject: str
    text: str
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """The compiled templates of one destination; ``longest`` is for its text, in characters."""

    subject: Template
    text: Template
    html: Template | None = None
    longest: int = TEXT_LENGTH

    def write(self, destination: str, events: Sequence[Event], count: int) -> Written:
        """Write one message about ``count`` events, of which some are given, at least one.

        Raises TemplateFailed.
        """
        views = [EventView(event) for event in events]
        variables = {
            "event": views[0],
            "events": views,
            "count": count,
            "more": count - len(views),
            "destination": destination,
        }
        return Written(
            _one_line(self.subject.render(variables)),
            _shortened(_storable(self.text.render(variables)).strip(), self.longest),
            None if self.html is None else _storable(self.html.render(variables)),
        )


def default_email() -> Message:
    """Subject, text and HTML: what came, when, and how to look at it. Never the payload."""
    return Message(plain(_SUBJECT), plain(_TEXT), html(_HTML))


def default_slack() -> Message:
    """The same in Slack's markup."""
    return Message(plain(_SUBJECT), slack(_SLACK), longest=SLACK_LENGTH)


def default_text() -> Message:
    """The same as text."""
    return Message(plain(_SUBJECT), plain(_TEXT))


def _one_line(text: str) -> str:
    """Make a header of senders' words: one line, printable, and no encoded word.

    Python's email package decodes ``=?utf-8?q?=0ABcc:...?=`` into a line of its own
    (CVE-2024-6923).
    """
    words = " ".join(_storable(text).split())
    visible = "".join(one for one in words if one.isprintable()).replace("=?", "= ?")
    return visible if len(visible) <= SUBJECT_LENGTH else visible[: SUBJECT_LENGTH - 3] + "..."


def _storable(text: str) -> str:
    """Without lone surrogates, which no encoding can carry, and NUL, which many stop at."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT
