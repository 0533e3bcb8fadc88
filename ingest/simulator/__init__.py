"""Plays providers against a pipeline that runs: what is sent when, and what has to be answered.

Everything here is pure. ``senders.py`` says who can send, ``plan.py`` what is sent when,
``days.py`` what goes wrong on a bad day, ``scorecard.py`` whether the answers were the right ones.
``ingest/cli/simulating.py`` posts what is planned, or whoever else wants a load.
"""
