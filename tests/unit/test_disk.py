"""When the receiver takes the disk for full."""

from pathlib import Path

from ingest.disk import Disk

DATA, DATABASE = Path("/data"), Path("/database")


class Room:
    """Free bytes by folder, and a clock; both as the test says."""

    def __init__(self) -> None:
        self.free = {DATA: 100, DATABASE: 100}
        self.now = 0.0
        self.disk = Disk(
            [DATA, DATABASE], 50, clock=lambda: self.now, free=lambda folder: self.free[folder]
        )


def test_the_fullest_folder_decides() -> None:
    room = Room()
    room.free[DATABASE] = 49
    assert room.disk.low


def test_the_room_is_what_may_still_be_written_before_the_mark() -> None:
    room = Room()
    room.free[DATABASE] = 70
    assert room.disk.room == 20


def test_exactly_the_low_water_mark_is_enough() -> None:
    room = Room()
    room.free[DATA] = 50
    assert not room.disk.low


def test_the_disk_is_looked_at_once_a_second() -> None:
    room = Room()
    seen = [room.disk.low]
    room.free[DATA] = 0
    for room.now in (0.9, 1.0, 1.9):
        seen.append(room.disk.low)
    room.free[DATA] = 100
    room.now = 2.0
    assert [*seen, room.disk.low] == [False, False, True, True, False]


def test_a_folder_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert Disk([tmp_path], 1).free > 0
    assert Disk([tmp_path, tmp_path / "gone"], 1).free == 0
