"""The distinct values of an indexed column, in one index look-up a value.

A plain SELECT DISTINCT reads every row; a backlog of a million deliveries has ten destinations.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select, true


def distinct(
    tx: Connection, column: Column[Any], condition: ColumnElement[bool] | None = None
) -> set[str]:
    """Hop over the index that begins with ``column``; ``condition`` is that of a partial one."""
    within = true() if condition is None else condition
    hop = select(func.min(column).label("value")).where(within).cte("hop", recursive=True)
    following = select(func.min(column)).where(within, column > hop.c.value).scalar_subquery()
    hop = hop.union_all(select(following).where(hop.c.value.is_not(None)))
    return set(tx.execute(select(hop.c.value).where(hop.c.value.is_not(None))).scalars())
