"""Exports into a directory, read back by DuckDB: what is there is what the store has, once."""

import base64
import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from ingest.events import Event, EventState
from ingest.export.exporting import Outcome, finish, prepare, run
from ingest.export.formats import Format
from ingest.export.manifest import Export, Request
from ingest.export.places import LocalPlace
from ingest.export.schema import FIELDS
from ingest.export.writing import write_chunk
from ingest.filters import Dataset, Filter, Refused, spelled
from ingest.store import Database
from ops.bench.filling import fill
from tests.export import reading
from tests.export.conftest import BODIES, NOON
from tests.store import making

DAY_MS = making.DAY_MS


def export(
    database: Database,
    folder: Path,
    dataset: Dataset = Dataset.EVENTS,
    format_: Format = Format.PARQUET,
    wanted: Filter | None = None,
    **words: Any,
) -> Outcome:
    progress = words.pop("progress", reading.nothing)
    request = Request(dataset, format_, wanted or Filter(), **words)
    return run(database, LocalPlace(folder), request, progress)


def test_parquet_holds_every_column_of_every_event(
    database: Database, past: list[Event], place: Path
) -> None:
    outcome = export(database, place)

    assert outcome.manifest.rows == len(past)
    assert reading.exported_events(place) == reading.stored_events(database)


@pytest.mark.usefixtures("past")
def test_a_body_is_also_text_where_it_is_utf_8(database: Database, place: Path) -> None:
    export(database, place)

    texts = reading.ask(f"SELECT DISTINCT body, body_text FROM {reading.parquet(place)}")
    assert dict(texts) == {
        BODIES[0]: BODIES[0].decode(),
        BODIES[1]: "",
        BODIES[2]: None,
        BODIES[3]: BODIES[3].decode(),
    }


def test_the_layout_is_hives_with_a_file_a_source_and_day(
    database: Database, past: list[Event], place: Path
) -> None:
    outcome = export(database, place)

    days = {f"{spelled(event.received_at)[:10]}" for event in past}
    folders = {path.parent.as_posix() for path in reading.data_files(place)}
    assert folders == {
        f"events/source={source}/day={day}" for source in ("github", "stripe") for day in days
    }
    assert set(reading.data_files(place)) == reading.names(outcome.manifest)


@pytest.mark.parametrize("format_", [Format.JSONL, Format.CSV])
def test_text_formats_hold_the_same_events(
    database: Database, past: list[Event], place: Path, format_: Format
) -> None:
    export(database, place, format_=format_)

    files = place / "events" / "*" / "*" / f"*.{format_}"
    reader = "read_json" if format_ is Format.JSONL else "read_csv"
    options = "all_varchar = true" if format_ is Format.CSV else "auto_detect = true"
    rows = reading.ask(
        "SELECT CAST(id AS VARCHAR), source, type, CAST(received_at AS BIGINT), "
        "coalesce(body_text, ''), coalesce(body_base64, ''), body_sha256 "
        f"FROM {reader}('{files}', {options}, hive_partitioning = false) ORDER BY id"
    )
    expected = [
        (event.id, event.source, event.type, event.received_at, *_texts(event.body))
        for event in past
    ]
    assert rows == expected


def _texts(body: bytes) -> tuple[str, str, str]:
    digest = hashlib.sha256(body).hexdigest()
    if body == BODIES[2]:
        return "", base64.b64encode(body).decode(), digest
    return body.decode(), "", digest


@pytest.mark.usefixtures("past")
def test_whether_the_type_is_signed_is_spelled_alike_whatever_the_database(
    database: Database, place: Path
) -> None:
    """SQLite's own words are 0 and 1; and nothing stands behind what was added last."""
    export(database, place, format_=Format.JSONL)
    export(database, place, format_=Format.CSV)

    ends = {line.rpartition(b",")[2] for line in _bytes(place, Format.JSONL).splitlines()}
    assert ends == {b'"type_signed":%b}' % word for word in (b"true", b"false", b"null")}
    records = csv.reader(io.StringIO(_bytes(place, Format.CSV).decode(), newline=""))
    assert {record[-1] for record in records} == {"type_signed", "true", "false", ""}


def _bytes(place: Path, format_: Format) -> bytes:
    return b"".join(path.read_bytes() for path in place.rglob(f"*.{format_}"))


@pytest.mark.usefixtures("past")
def test_the_lines_of_json_hold_headers_as_json(database: Database, place: Path) -> None:
    export(database, place, format_=Format.JSONL)

    files = place / "events" / "*" / "*" / "*.jsonl"
    (row,) = reading.ask(f"SELECT DISTINCT headers FROM read_json('{files}')")
    assert row == ([["X-GitHub-Event", "push"], ["X-Twice", "1"], ["x-twice", "2"]],)


def test_deliveries_are_exported_with_their_outcomes(database_url: str, place: Path) -> None:
    fill(database_url, 900, 300)
    from ingest.store import open_database  # noqa: PLC0415 - after it was filled

    database = open_database(database_url)
    export(database, place, Dataset.DELIVERIES)

    columns = [field.name for field in FIELDS[Dataset.DELIVERIES]]
    times = {"due_at", "created_at", "finished_at", "last_attempt_at"}
    asked = [f"epoch_ms({name})" if name in times else name for name in columns]
    found = reading.ask(
        f"SELECT {', '.join(asked)} FROM {reading.parquet(place, 'deliveries')} ORDER BY id"
    )
    own = {"source": "e.source", "event_type": "e.type"}
    wanted = [own.get(name, f"d.{name}") for name in columns]
    stored = making.rows(
        database,
        f"SELECT {', '.join(wanted)} FROM deliveries d JOIN events e ON e.id = d.event_id "
        "ORDER BY d.id",
    )
    database.close()
    assert len(found) > 250
    assert found == stored


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (Filter(source="stripe"), lambda event: event.source == "stripe"),
        (Filter(types=("issues",)), lambda event: event.type.startswith("issues")),
        (Filter(types=("i*", "push")), lambda event: event.type != ""),
        (Filter(types=("issues.*",)), lambda event: event.type == "issues.opened"),
        (Filter(types=("Push",)), lambda _event: False),
        (Filter(source="github", types=("push",)), lambda event: event.type == "push"),
        (Filter(state=EventState.STORED), lambda _event: True),
        (Filter(state=EventState.UNMATCHED), lambda _event: False),
    ],
    ids=[
        "a source",
        "a type and what is below it",
        "patterns",
        "a kind of a type",
        "case counts",
        "source and type",
        "state",
        "a state that none has",
    ],
)
def test_only_what_the_filter_wants_is_exported(
    database: Database, past: list[Event], place: Path, wanted: Filter, chosen: Any
) -> None:
    outcome = export(database, place, wanted=wanted)

    expected = [event.id for event in past if chosen(event)]
    assert outcome.manifest.rows == len(expected)
    assert (reading.ids_in(place) if expected else []) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(state="dead"), 2),
        (Filter(state="dead", source="github", types=("push",)), 2),
        (Filter(state="dead", destination="a"), 1),
        (Filter(destination="b"), 2),
        (Filter(source="stripe"), 0),
    ],
    ids=str,
)
def test_deliveries_are_chosen_by_their_own_words_and_their_events(
    database: Database, place: Path, wanted: Filter, expected: int
) -> None:
    making.dispatched(database, "a", "b", count=2, received_at=NOON)
    for number, (id_,) in enumerate(making.rows(database, "SELECT id FROM deliveries ORDER BY id")):
        making.execute(
            database,
            "UPDATE deliveries SET id = :new, state = :state, wake_at = NULL, finished_at = 1 "
            "WHERE id = :id",
            id=id_,
            new=making.new_id(NOON),
            state="dead" if number < 2 else "succeeded",
        )
    assert export(database, place, Dataset.DELIVERIES, wanted=wanted).manifest.rows == expected


def test_a_range_takes_its_begin_and_not_its_end(
    database: Database, past: list[Event], place: Path
) -> None:
    begin, end = past[3].received_at, past[9].received_at
    export(database, place, since=spelled(begin), until=spelled(end))

    assert reading.ids_in(place) == [event.id for event in past[3:9]]


def test_what_may_still_be_committed_behind_others_waits(
    database: Database, past: list[Event], place: Path
) -> None:
    """Ids are in the order of arrival, not of commit: only windows closed 60 s ago are read."""
    making.stored(database, received_at=making.now_ms() - 50_000)
    (settled,) = making.stored(database, received_at=making.now_ms() - 65_000)
    export(database, place)

    assert reading.ids_in(place) == [*(event.id for event in past), settled.id]


def test_the_next_export_begins_where_the_last_one_ended(
    database: Database, past: list[Event], place: Path
) -> None:
    export(database, place, since="last", until=spelled(past[10].received_at))
    second = export(database, place, since="last")
    third = export(database, place, since="last")

    assert second.manifest.rows == len(past) - 10
    assert third.manifest.rows == 0
    assert reading.ids_in(place) == [event.id for event in past]


def test_rows_are_not_put_into_a_place_twice(
    database: Database, past: list[Event], place: Path
) -> None:
    """A reader of the whole folder would count them twice."""
    export(database, place, wanted=Filter(source="github"))
    before = reading.data_files(place)
    with pytest.raises(Refused, match="twice") as refused:
        export(database, place, since="30d")
    assert refused.value.field == "to"
    assert reading.data_files(place) == before

    export(database, place, wanted=Filter(source="stripe"))
    assert reading.ids_in(place) == [event.id for event in past]


def test_an_export_that_was_cut_off_goes_on_where_it_was(
    database: Database, past: list[Event], place: Path
) -> None:
    with pytest.raises(reading.CutOff):
        export(database, place, since="30d", progress=reading.cut_off_after(15))
    before = reading.data_files(place)
    assert len(before) == 2, "the first day's; of the second nothing is seen"

    making.stored(database, received_at=NOON)  # the first run's plan does not have it
    outcome = export(database, place, since="30d")

    assert outcome.kept == 1
    assert reading.ids_in(place) == [event.id for event in past]
    assert before.items() <= reading.data_files(place).items(), "written again"
    assert [path.name for path in (place / "_exports").iterdir()] == [
        f"{outcome.manifest.export}.json"
    ]


def test_an_export_that_is_finished_is_not_written_again(
    database: Database, past: list[Event], place: Path
) -> None:
    end = spelled(past[-1].received_at + 1)
    first = export(database, place, until=end)
    before = reading.data_files(place)
    second = export(database, place, until=end)

    assert second.was_finished
    assert second.manifest == first.manifest
    assert reading.data_files(place) == before


def test_a_chunk_that_is_written_again_replaces_itself(
    database: Database, past: list[Event], place: Path
) -> None:
    """Its files were there, but not yet the word that they are."""
    with pytest.raises(reading.CutOff):
        export(database, place, progress=reading.cut_off_after(15))
    for path in (place / "_exports").rglob("00000.json"):
        path.unlink()
    outcome = export(database, place)

    assert outcome.kept == 0
    assert reading.ids_in(place) == [event.id for event in past]
    assert set(reading.data_files(place)) == reading.names(outcome.manifest)


def test_the_manifest_proves_every_file(database: Database, past: list[Event], place: Path) -> None:
    manifest = export(database, place).manifest

    for file in manifest.files:
        content = (place / file.name).read_bytes()
        assert file.bytes == len(content)
        assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert sum(file.rows for file in manifest.files) == manifest.rows == len(past)


def test_large_bodies_come_whole(database: Database, place: Path) -> None:
    """They are read one by one, so that a page of them does not fill the memory."""
    bodies = [bytes([number]) * size for number, size in enumerate((16_384, 16_385, 3_000_000, 5))]
    for number, body in enumerate(bodies):
        making.stored(database, received_at=NOON - DAY_MS + number, body=body)
    export(database, place)

    found = reading.ask(f"SELECT body FROM {reading.parquet(place)} ORDER BY id")
    assert [body for (body,) in found] == bodies


def test_what_retention_takes_meanwhile_is_not_exported(database: Database, place: Path) -> None:
    """Its page was read, its body was not yet: no row has a digest of another body."""
    sizes = (5, 20_000, 30_000, 5)
    events = [
        making.stored(database, received_at=NOON - DAY_MS + number, body=bytes(size))[0]
        for number, size in enumerate(sizes)
    ]
    request = Request(Dataset.EVENTS, Format.PARQUET, Filter())
    planned = prepare(database, LocalPlace(place), request, making.now_ms())
    assert isinstance(planned, Export)
    taken = iter([events[1].id, "none"])

    def forget() -> None:
        id_ = next(taken)
        making.execute(database, "DELETE FROM payloads WHERE event_id = :id", id=id_)
        making.execute(database, "DELETE FROM events WHERE id = :id", id=id_)

    told: list[int] = []
    target = LocalPlace(place)
    written = write_chunk(database, target, planned, planned.chunks[0], told.append, forget)
    closing = finish(database, target, planned, {0: written})

    left = [events[number].id for number in (0, 2, 3)]
    assert reading.ids_in(place) == left
    assert (closing.rows, told[-1], planned.rows) == (3, 3, 4)
    assert reading.exported_events(place) == reading.stored_events(database)


def test_nothing_to_export_is_a_manifest_without_files(database: Database, place: Path) -> None:
    manifest = export(database, place).manifest

    assert (manifest.rows, manifest.files) == (0, ())


def test_progress_ends_at_what_was_counted_before(
    database: Database, past: list[Event], place: Path
) -> None:
    told: list[tuple[int, int]] = []
    export(database, place, progress=lambda done, total: told.append((done, total)))

    assert told[0] == (0, len(past))
    assert told[-1] == (len(past), len(past))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
