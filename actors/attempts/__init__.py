"""One attempt of one delivery: what runs in a worker thread, on its loop, or alone in a child."""
