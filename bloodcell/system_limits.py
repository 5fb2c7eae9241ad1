"""What to do where a limit of the system is the cause of an error; light."""

import errno
import os

from bloodcell.errors import BloodcellError

MORE_MEMORY = (
    "The system gave too little memory, or too few threads or processes: raise the limit "
    "(`ulimit -v`, `ulimit -u`, or that of the job or container), or ask for fewer --threads"
)
_MORE_FILES = "This process may open no more files: raise the limit (`ulimit -n`, 1024 are enough)"
_NO_FOLDER = "The working directory is gone, where relative paths begin: cd to another one"

_OF_FILES = {errno.EMFILE, errno.ENFILE}
_OF_MEMORY = {errno.EAGAIN, errno.ENOMEM}
_WORDS_OF_MEMORY = (
    *map(os.strerror, _OF_MEMORY),
    "MemoryError",
    "bad_alloc",
    "can't start new thread",
)


def speaks_of_memory(words: str) -> bool:
    """Whether what a library said is that it got no memory, thread or process."""
    return any(known in words for known in _WORDS_OF_MEMORY)


def advice_for(error: BaseException) -> str:
    """What to do about ``error``; "" where no limit of the system is its cause."""
    causes = [one for one in (error, error.__cause__) if isinstance(one, OSError)]
    # A lock that another process holds has the number of a thread that there is no room for.
    numbers = {one.errno for one in causes if not isinstance(one, BlockingIOError)}
    if numbers & _OF_FILES:
        return _MORE_FILES
    # For a thread, or a library that cannot be loaded, Python and Arrow have no class of their own.
    said = "" if isinstance(error, BloodcellError) else f"{type(error).__name__}: {error}"
    if numbers & _OF_MEMORY or speaks_of_memory(said):
        return MORE_MEMORY
    if isinstance(error, BloodcellError | OSError) and not _has_working_directory():
        return _NO_FOLDER
    return ""


def _has_working_directory() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - a Path would be made of it
    except FileNotFoundError:
        return False
    return True
