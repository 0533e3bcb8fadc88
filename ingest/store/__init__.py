"""Everything that is kept: events, deliveries, attempts, and the leases of workers.

Each module is one verb or noun: ``accept`` commits arrivals, ``dispatch`` fans events out,
``claims`` hands deliveries to workers and writes their outcomes, ``wake`` finds what is due,
``workers`` frees what dead processes held, ``ledger`` checks the promise, ``queries`` shows.
Each public function is one transaction of a ``Database``; those ending in ``_in`` join one.
"""

from ingest.store.database import Database, open_database
from ingest.store.migrate import migrate

__all__ = ["Database", "migrate", "open_database"]
