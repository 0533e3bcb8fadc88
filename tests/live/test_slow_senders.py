"""A thousand slow connections: they are let go, and honest senders are answered meanwhile.

How fast is measured by ``ops/bench/run slow``; here it is whether.
"""

import resource
from pathlib import Path

import pytest

from tests.live.senders import Senders
from tests.live.slow_senders import KINDS, SlowSenders
from tests.waiting import wait_until
from tests.web.rig import serving

pytestmark = pytest.mark.live
EACH = 250
FILES = 4_096


@pytest.fixture(autouse=True)
def many_files() -> None:
    """A connection is a file, here and in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))


def test_a_thousand_slow_connections_end_and_honest_senders_do_not_notice(
    tmp_path: Path, sqlite_url: str
) -> None:
    deadlines = {"HEAD_TIMEOUT": "2s", "BODY_TIMEOUT": "3s"}
    with (
        serving(tmp_path, sqlite_url, **deadlines) as server,
        SlowSenders(server.port, EACH) as slow,
        Senders(server.port) as honest,
    ):
        wait_until(
            lambda: all(slow.ended[kind] == EACH for kind in KINDS if kind != "read"),
            timeout=60,
            describe="those to be let go who do not send",
        )
        honest.wait_for(20)
    assert (honest.broken, honest.refused) == ([], [])
