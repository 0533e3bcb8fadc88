"""How many files a process may open: a connection is one, and the usual 1,024 are soon gone.

Without a descriptor a connection is not even accepted, so that nobody could be told to come back
later. The soft limit is a default that a process may raise as far as its hard one
(https://man7.org/linux/man-pages/man2/getrlimit.2.html).
"""

import resource


def allow_open_files(wanted: int) -> int:
    """Raise the soft limit to ``wanted`` as far as the hard one lets; return what it is then.

    A limit that is higher already stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
