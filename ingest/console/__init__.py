"""The console's API: what the pipeline has and does, for its operator and for programs.

A process of its own on a loopback port, behind a bearer token. ``operations.py`` says what an
operation is, ``table.py`` lists all of them; routes and the OpenAPI document are made from that
one table, so they cannot disagree.
"""
