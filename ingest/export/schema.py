"""What an exported row has: the columns of each data set, with their meaning. The documentation.

Every format writes these columns, in this order, under these names. A change that a reader would
notice raises ``SCHEMA_VERSION``, which stands in every manifest. A new column that may be null goes
behind all others and raises nothing, as a new version begins an archive anew: read by name, older
files lack it (DuckDB: ``union_by_name``).

* Parquet: times are timestamps in milliseconds, UTC; ``source`` and ``day`` are only in the path,
  as Hive has it; bytes are binary, and ``body_text`` is the body where it is UTF-8, else null.
* JSONL and CSV: times are milliseconds since the epoch, digests hexadecimal. The body is
  ``body_text`` where it is UTF-8, else null and ``body_base64`` has it. CSV writes null as "".
* CSV: a cell that begins with ``=``, ``+``, ``-`` or ``@`` is kept as it is, as machines need its
  bytes. A spreadsheet program that opens the file runs it as a formula: import it as text.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from ingest.filters import Dataset

SCHEMA_VERSION = 1


class Type(enum.StrEnum):
    """What a column holds. ``json``: text that is JSON."""

    TEXT = "text"
    INTEGER = "integer"
    TIME = "time"
    BOOLEAN = "boolean"
    JSON = "json"
    DIGEST = "digest"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Field:
    """One column."""

    name: str
    type: Type
    meaning: str
    nullable: bool = False


#: The column that a path is partitioned by.
SOURCE = Field("source", Type.TEXT, "the source that received it")

_EVENTS = (
    Field("id", Type.TEXT, "the event's id, a UUIDv7"),
    SOURCE,
    Field("type", Type.TEXT, 'what happened, in the provider\'s words; "" where it has none'),
    Field("provider_event_id", Type.TEXT, "the provider's own id", nullable=True),
    Field("state", Type.TEXT, "stored, dispatched or unmatched, when it was exported"),
    Field("received_at", Type.TIME, "when it arrived"),
    Field("dispatched_at", Type.TIME, "when its routes were last matched", nullable=True),
    Field("generation", Type.INTEGER, "how often it was replayed"),
    Field("duplicates", Type.INTEGER, "how often the sender repeated it"),
    Field("conflicts", Type.INTEGER, "how many repetitions had another body"),
    Field("trace_id", Type.TEXT, "its W3C trace id"),
    Field("secret_name", Type.TEXT, "the name of the secret that proved it", nullable=True),
    Field("headers", Type.JSON, "[[name, value], ...] as received; credentials are keyed digests"),
    Field("query", Type.TEXT, "the query string as received; credentials are keyed digests"),
    Field("content_type", Type.TEXT, "the body's declared type"),
    Field("body_sha256", Type.DIGEST, "SHA-256 of the body"),
    Field("body", Type.BODY, "the body, byte for byte as received"),
    Field(
        "type_signed",
        Type.BOOLEAN,
        "whether the signature covers all that the type was taken from; null: not known",
        nullable=True,
    ),
)

_DELIVERIES = (
    Field("id", Type.TEXT, "the delivery's id, a UUIDv7"),
    SOURCE,
    Field("event_id", Type.TEXT, "the event that is delivered"),
    Field("event_type", Type.TEXT, "the event's type"),
    Field("destination", Type.TEXT, "where it is delivered to"),
    Field("kind", Type.TEXT, "what delivering is there"),
    Field("queue", Type.TEXT, "the queue that it goes through"),
    Field("generation", Type.INTEGER, "0 at first delivery, more for a replay"),
    Field("state", Type.TEXT, "how far it was when exported; incremental exports wait for its end"),
    Field("due_at", Type.TIME, "since when it may run"),
    Field("created_at", Type.TIME, "when the event was dispatched to it"),
    Field("finished_at", Type.TIME, "when it ended", nullable=True),
    Field("starts", Type.INTEGER, "how often a worker began it"),
    Field("attempts", Type.INTEGER, "how many of these reported an outcome"),
    Field("crashes", Type.INTEGER, "how many never did"),
    Field("last_outcome", Type.TEXT, "what the last attempt came to", nullable=True),
    Field("last_status", Type.INTEGER, "its HTTP status", nullable=True),
    Field("last_code", Type.TEXT, "its reason in a word", nullable=True),
    Field("last_message", Type.TEXT, "its reason for people", nullable=True),
    Field("last_attempt_at", Type.TIME, "when it was", nullable=True),
    Field("replayed_as", Type.TEXT, "the delivery that replaced it", nullable=True),
)

FIELDS: Mapping[Dataset, tuple[Field, ...]] = {
    Dataset.EVENTS: _EVENTS,
    Dataset.DELIVERIES: _DELIVERIES,
}


def place_of(dataset: Dataset, name: str) -> int:
    """Return where a column stands in a row."""
    return [field.name for field in FIELDS[dataset]].index(name)
