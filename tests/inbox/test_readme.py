"""The handler that the README shows does what the README says."""

from pathlib import Path
from typing import Any

import sqlalchemy

from tests.inbox import shops
from tests.inbox.shops import ask, order

README = Path(__file__).parent.parent.parent / "README.md"


def test_the_handler_of_the_readme_books_once(sqlite_shop: str) -> None:
    section = README.read_text().partition("\n## Exactly once in your own database\n")[2]
    example = section.partition("```python\n")[2].partition("```")[0]
    table = sqlalchemy.Table(
        "orders", sqlalchemy.MetaData(), sqlalchemy.Column("order", sqlalchemy.Integer)
    )
    with shops.engine_of(sqlite_shop) as engine:
        table.create(engine)
        names: dict[str, Any] = {"engine": engine, "insert": sqlalchemy.insert, "bookings": table}
        exec(example, names)
        for _ in range(2):
            names["book"](order(body=b'{"id": 7}'))
    assert ask(sqlite_shop, 'SELECT "order" FROM orders') == [(7,)]
