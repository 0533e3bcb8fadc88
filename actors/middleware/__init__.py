"""What surrounds every message and the life of a worker process: see order.py."""
