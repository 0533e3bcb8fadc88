"""Where exports go: what is no place is refused, and nobody ever sees half a file."""

import os
import re
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from ingest.events import Event
from ingest.export.exporting import run
from ingest.export.formats import Format
from ingest.export.manifest import Request
from ingest.export.places import CloudPlace, LocalPlace, Place, PlaceUnavailable, open_place
from ingest.filters import Dataset, Filter, Refused
from ingest.store import Database
from tests.export import reading
from tests.export.conftest import NOON
from tests.export.object_store import ObjectStore
from tests.store import making

REQUEST = Request(Dataset.EVENTS, Format.PARQUET, Filter())
#: Over 5 MB, so that it is uploaded in parts; zstd cannot make it smaller.
NOISE = Path("/dev/urandom")


@pytest.fixture
def bucket(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """A bucket of the test's own, and the environment that leads to it."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    name = re.sub(r"[^a-z0-9]", "-", request.node.name.lower())[:60].strip("-")
    object_store.make_bucket(name)
    return name


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return LocalPlace(tmp_path / "archive")
    return open_place(f"s3://{request.getfixturevalue('bucket')}/archive")


def put(place: Place, name: str, content: bytes) -> None:
    with place.writing(name, "_exports/one") as file:
        file.write(content)


def write_half(place: Place, name: str) -> None:
    with place.writing(name, "_exports/one") as file:
        file.write(b"half")
        raise reading.CutOff


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://somewhere/x", "no place for an export"),
        ("https://bucket.example.com/x", "no place for an export"),
        ("", "no place for an export"),
        ("s3://", "names no bucket"),
        ("s3:///folder", "names no bucket"),
        ("gs:///folder", "names no bucket"),
        ("s3://key:secret@bucket/x", "no credentials"),
        ("s3://key:secret@", "no credentials"),
        ("ftp://key:secret@host/x", "no place for an export"),
        ("s3://bucket/x?region=eu", "no credentials or options"),
        ("file://host/folder", "names no directory"),
    ],
)
def test_what_is_no_place_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        open_place(url)
    assert refused.value.field == "to"
    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize("url", ["archive", "./archive/x", "file:///archive"])
def test_a_path_is_a_directory(url: str) -> None:
    assert isinstance(open_place(url), LocalPlace)


@pytest.mark.parametrize("url", ["s3://bucket", "gs://bucket/x", "az://account/container/x"])
def test_object_stores_are_opened_by_their_scheme(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert isinstance(open_place(url), CloudPlace)


def test_a_file_is_there_when_it_is_complete(place: Place) -> None:
    place.check()
    with place.writing("events/one.jsonl", "_exports/one") as file:
        file.write(b"half")
        file.flush()
        assert place.names("") == []
        assert place.read("events/one.jsonl") is None
        file.write(b" and half")
    assert place.names("") == ["events/one.jsonl"]
    assert place.read("events/one.jsonl") == b"half and half"


def test_a_file_that_could_not_be_finished_is_not_there(place: Place) -> None:
    put(place, "events/one.jsonl", b"earlier")
    with pytest.raises(reading.CutOff):
        write_half(place, "events/one.jsonl")
    assert place.read("events/one.jsonl") == b"earlier"


def test_a_file_replaces_the_one_of_its_name(place: Place) -> None:
    put(place, "events/one.jsonl", b"first, and longer")
    put(place, "events/one.jsonl", b"second")
    assert place.read("events/one.jsonl") == b"second"


def test_a_file_is_on_disk_with_every_folder_that_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power cannot be cut here: what is synced is watched, after what was made or renamed."""
    synced: list[Path] = []
    fsync = os.fsync

    def watched(number: int) -> None:
        fsync(number)
        synced.append(Path(f"/proc/self/fd/{number}").readlink())

    monkeypatch.setattr(os, "fsync", watched)
    archive = tmp_path / "new" / "archive"
    place = LocalPlace(archive)
    place.check()
    assert set(synced) == {tmp_path, tmp_path / "new"}

    synced.clear()
    put(place, "events/source=a/day=b/one.jsonl", b"x")
    content, *folders = synced
    assert content.suffix == ".partial"
    day = archive / "events" / "source=a" / "day=b"
    assert folders == [day, day.parent, day.parent.parent, archive]


def test_files_are_listed_and_removed_by_folder(place: Place) -> None:
    for name in ("a/1", "a/b/2", "ab/3"):
        put(place, name, b"x")
    assert place.names("a") == ["a/1", "a/b/2"]
    place.remove("a")
    place.remove("a")
    assert place.names("") == ["ab/3"]


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(Refused, match="is a file"):
        LocalPlace(tmp_path / "taken").check()
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_place_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(PlaceUnavailable, match="Not a directory"):
        LocalPlace(tmp_path / "taken" / "below").check()


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_noticed_before_anything_is_written() -> None:
    with pytest.raises(PlaceUnavailable, match="no-such-bucket"):
        open_place("s3://no-such-bucket/archive").check()


def test_an_export_to_s3_goes_on_where_it_was(
    database: Database, past: list[Event], bucket: str, tmp_path: Path
) -> None:
    """One file is so large that it is uploaded in parts."""
    with NOISE.open("rb") as noise:
        body = noise.read(7_000_000)
    (large,) = making.stored(database, received_at=NOON, body=body)
    place = open_place(f"s3://{bucket}/archive")
    with pytest.raises(reading.CutOff):
        run(database, place, REQUEST, reading.cut_off_after(15))
    seen = place.names("events")
    assert len(seen) == 2, "the first day's; of the second nothing is seen"

    outcome = run(database, place, REQUEST, reading.nothing)

    assert outcome.kept == 1
    download(bucket, tmp_path / "copy")
    assert reading.ids_in(tmp_path / "copy") == [*(event.id for event in past), large.id]
    assert reading.exported_events(tmp_path / "copy") == reading.stored_events(database)
    assert {path.as_posix() for path in reading.data_files(tmp_path / "copy")} == {
        file.name for file in outcome.manifest.files
    }


def download(bucket: str, folder: Path) -> None:
    """Copy all objects by their own keys, with nothing of ours."""
    store = S3Store(bucket)
    for page in obstore.list(store, "archive"):
        for found in page:
            path = folder / Path(found["path"]).relative_to("archive")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(obstore.get(store, found["path"]).bytes()))
