"""PromQL as the dashboards need it: every selector is bound to the job and instance chosen above.

Recorded series (``job:...``) have no instance by their name's own promise, so they take the job.
"""

from collections.abc import Sequence

HERE = 'job=~"$job", instance=~"$instance"'
JOB = 'job=~"$job"'


def select(metric: str, matchers: str = "") -> str:
    """Return a selector: ``select("up", 'a="b"')`` is ``up{<here>, a="b"}``."""
    bound = JOB if metric.startswith("job:") else HERE
    return f"{metric}{{{bound}{', ' + matchers if matchers else ''}}}"


def per_second(metric: str, matchers: str = "", by: Sequence[str] = ()) -> str:
    """Return the summed rate of a counter, by labels."""
    return f"{_sum(by)} (rate({select(metric, matchers)}[$__rate_interval]))"


def share(metric: str, part: str, whole: str = "", by: Sequence[str] = ()) -> str:
    """Return the part of a counter's rate that matches ``part``; nothing where nothing happens."""
    both = f"{whole}, {part}" if whole else part
    return f"{per_second(metric, both, by)} / ({per_second(metric, whole, by)} > 0)"


def mean(histogram: str, matchers: str = "", by: Sequence[str] = ()) -> str:
    """Return the mean of what a histogram observed."""
    total, count = f"{histogram}_sum", f"{histogram}_count"
    return f"{per_second(total, matchers, by)} / ({per_second(count, matchers, by)} > 0)"


def quantile(q: float, histogram: str, matchers: str = "", by: Sequence[str] = ()) -> str:
    """Return a quantile of a histogram, by labels."""
    rates = per_second(f"{histogram}_bucket", matchers, ("le", *by))
    return f"histogram_quantile({q}, {rates})"


def largest(gauge: str, matchers: str = "", *, by: Sequence[str]) -> str:
    """Return a gauge that the scheduler of every machine reports, by labels."""
    return f"max by ({', '.join(by)}) ({select(gauge, matchers)})"


def _sum(by: Sequence[str]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"
