"""Exports: events and deliveries as files that other programs read, JSONL, CSV or Parquet."""
