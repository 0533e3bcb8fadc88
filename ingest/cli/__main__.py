"""``python -m ingest.cli``: the ``hookkeeper`` command where no script is installed."""

from ingest.cli import main

if __name__ == "__main__":
    main()
