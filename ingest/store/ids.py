"""What an id tells of its time: a UUIDv7 begins with the millisecond in which it was made.

An event's id is made when it arrives, so its place in the primary key is its place in time, and
no index over ``received_at`` has to be kept beside it.
"""


def first_id(at: int) -> str:
    """Return where the ids made at a time (milliseconds) or later begin; compare as text."""
    digits = f"{max(0, at):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def made_at(id_: str) -> int:
    """Return when a UUIDv7 was made, in milliseconds."""
    return int(id_[:8] + id_[9:13], 16)
