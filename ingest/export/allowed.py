"""Where an export may be written that is asked for over the API: into places that the file names.

The command line may write wherever its user may; a token for the API must not be one for every
file and bucket of the machine. What is compared is where a path leads to, not how it is written.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ingest.export.places import CLOUDS
from ingest.filters import Refused

#: Of an object store's path: what it might read as something else than it says.
_UNCLEAR = ("%", "\\", "?", "#", "@")


def permitted(to: str | None, places: Sequence[str], folder: Path) -> str:
    """Return where to write: an absolute path, or the URL of an object store.

    ``to``: one of the places or inside of one; None: the first. Relative paths start at
    ``folder``. Raises Refused, which names the places and never repeats what was asked for: it
    may hold a credential.
    """
    if not places:
        raise Refused("to", "[exports] allows no place")
    if to is None:
        return spelled(resolved(places[0], folder))
    wanted = resolved(to, folder)
    for place in places:
        where = resolved(place, folder)
        if wanted[: len(where)] == where:
            return spelled(wanted)
    raise Refused("to", f"is none of the places that [exports] allows: {', '.join(places)}")


def resolved(url: str, folder: Path) -> tuple[str, ...]:
    """Return the parts of a place: scheme and bucket first, or "" for a directory. Raises Refused.

    Links in the file system are followed, so that none leads out of a place.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Refused("to", "is no place for an export") from None
    scheme = parts.scheme.lower()
    if scheme in CLOUDS:
        return _in_cloud(scheme, url)
    if "\0" in url or not url.strip() or (scheme != "file" and "://" in url) or parts.netloc:
        clouds = ", ".join(f"{cloud}://" for cloud in CLOUDS)
        raise Refused("to", f"is no place for an export: use a directory, {clouds}")
    path = Path(parts.path if scheme == "file" else url)
    if ".." in path.parts:
        raise Refused("to", 'may not contain ".."')
    try:
        return ("", *(folder / path).resolve().parts)
    except (OSError, RuntimeError) as error:  # links in a ring
        raise Refused("to", f"leads nowhere: {error}") from None


def spelled(parts: Sequence[str]) -> str:
    """Write the parts of a place as one text."""
    scheme, first, *others = parts
    return str(Path(first, *others)) if not scheme else f"{scheme}://{'/'.join((first, *others))}"


def _in_cloud(scheme: str, url: str) -> tuple[str, ...]:
    rest = url.partition("://")[2]
    if any(mark in rest for mark in _UNCLEAR):
        raise Refused(
            "to",
            f"a {scheme}:// URL holds no credentials, options or escapes: set {CLOUDS[scheme]}",
        )
    bucket, *segments = rest.removesuffix("/").split("/")
    if not bucket or any(segment in {"", ".", ".."} for segment in segments):
        raise Refused("to", f"is no place for an export: write {scheme}://BUCKET/FOLDER")
    return (scheme, bucket, *segments)
