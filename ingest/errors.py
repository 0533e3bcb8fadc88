"""The errors that carry a decision. Nobody parses a message to learn what to do next.

Every class answers three questions for the person who reads it: what happened, what is
safe, and what to do. This module imports nothing of ours.
"""


class HookkeeperError(Exception):
    """Any error raised by Hookkeeper itself."""


class ConfigError(HookkeeperError):
    """The configuration or a setting is wrong; the process must not start with it."""


class StoreUnavailable(HookkeeperError):
    """The database could not commit. Nothing was acknowledged; the sender should retry."""


class StoreRefused(HookkeeperError):
    """The database is reachable but must not be used: not durable, or its schema is not ours."""


class RowRejected(HookkeeperError):
    """One row cannot be stored whatever the others do (a data error); its batch is unharmed."""


class BrokerUnavailable(HookkeeperError):
    """A wake-up could not be published. The row's ``wake_at`` brings it back: latency, not loss."""


class Permanent(HookkeeperError):
    """Raised by a user's handler: trying again will not help; the delivery is dead now."""


class NotInTransaction(HookkeeperError):
    """The inbox was given a connection that would commit its mark by itself; nothing was marked."""


class Conflict(HookkeeperError):
    """An idempotency key was used before, with something else; nothing was made."""


class NotFound(HookkeeperError):
    """No event, delivery or destination has that name."""
