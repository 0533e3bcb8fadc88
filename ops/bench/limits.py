"""How many files a process may have open: a connection is one, in the server and in the load."""

import resource


def allow_open_files(needed: int) -> None:
    """Raise this process's limit, which what it starts inherits, where it is lower than that.

    Raises RuntimeError if the system does not allow so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RuntimeError(too_few(hard, needed))
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


def too_few(hard: int, needed: int) -> str:
    """Say what to do where the system does not allow enough."""
    return (
        f"this line needs {needed:,} open files and the system allows {hard:,}. Nothing was "
        f"measured. Raise the hard limit (`ulimit -Hn {needed}` as root, or nofile in "
        "/etc/security/limits.conf), or name the lines that need fewer connections."
    )
