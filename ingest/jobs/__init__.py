"""Jobs: work with an id, a status, progress and an end, kept in the database.

For users, all of it is in ``ingest``: ``from ingest import job, JobContext, enqueue, chain``.
"""
