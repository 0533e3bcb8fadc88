"""A pipeline's lag is seen all the time, and whoever looks says when it cannot."""

import pytest
from sqlalchemy.exc import OperationalError

from ops.bench.filling import DAY_MS, add_waiting, fill
from ops.bench.lag import watching
from tests.waiting import wait_until


def test_what_waits_makes_a_lag_that_grows(sqlite_url: str) -> None:
    add_waiting(sqlite_url, 10, DAY_MS)

    with watching(sqlite_url) as lags:
        wait_until(lambda: len(lags) >= 2)

    assert 0 < lags[0].seconds < lags[-1].seconds
    assert lags[0].at < lags[-1].at


def test_what_is_handled_makes_none(sqlite_url: str) -> None:
    fill(sqlite_url, 100, 100)

    with watching(sqlite_url) as lags:
        pass

    assert lags[-1].seconds == 0


def test_a_look_that_failed_is_not_taken_for_no_lag() -> None:
    with pytest.raises(OperationalError), watching("sqlite:////nowhere/at/all.db"):
        pass
