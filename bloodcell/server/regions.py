"""Shared memory of clients on the same machine, by Triton's system shared memory extension.

A region is read and written as the file that it is on Linux and never mapped: a client that
shrinks a mapped file would end this process with SIGBUS. The engine wants a copy anyway.
"""

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from bloodcell.server.refusals import Kind, Refusal, invalid

MOST_REGIONS = 256
_FOLDER = Path("/dev/shm")
"""Where POSIX shared memory is on Linux."""
_KEY = re.compile(r"/?([^/\0]{1,255})")


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a shared memory object, open for reading and writing."""

    name: str
    key: str
    offset: int
    byte_size: int
    descriptor: int


class Regions:
    """Those that clients have registered; ``is_open`` False refuses to take any."""

    def __init__(self, *, is_open: bool) -> None:
        self._is_open = is_open
        self._regions: dict[str, Region] = {}

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Open a region; Refusal if it has a wrong name or size, or is there already."""
        if not self._is_open:
            raise Refusal(
                Kind.FORBIDDEN,
                "shared memory is for clients on the server's machine: it is refused unless "
                "--host is a loopback address",
            )
        if not name:
            raise invalid("a shared memory region needs a name")
        if name in self._regions:
            raise invalid(f"the shared memory region {name!r} is registered: unregister it first")
        if len(self._regions) >= MOST_REGIONS:
            raise Refusal(Kind.BUSY, f"{MOST_REGIONS} shared memory regions are registered")
        if byte_size <= 0 or offset < 0:
            raise invalid(
                f"a shared memory region has 1 byte or more, from 0 or more on; {byte_size} "
                f"from {offset} on given"
            )
        descriptor = _opened(key)
        region = Region(name, key, offset, byte_size, descriptor)
        try:
            _check_within(region, 0, byte_size)
        except BaseException:
            os.close(descriptor)
            raise
        self._regions[name] = region

    def unregister(self, name: str) -> None:
        """Let go of a region, all if ``name`` is empty; one that is not there is no error."""
        for region in self._registered(name) if name in self._regions or not name else []:
            os.close(self._regions.pop(region.name).descriptor)

    def listed(self, name: str) -> list[dict[str, str | int]]:
        """What is told of a region, of all if ``name`` is empty; Refusal if there is none."""
        fields = ("name", "key", "offset", "byte_size")
        return [{key: getattr(one, key) for key in fields} for one in self._registered(name)]

    def check(self, name: str, offset: int, byte_size: int) -> None:
        """Refusal unless so many bytes exist in the region, from ``offset`` in it."""
        _check_within(self._named(name), offset, byte_size)

    def read(self, name: str, offset: int, byte_size: int) -> bytes:
        """A copy of so many bytes of a region, from ``offset`` in it; Refusal if not all exist."""
        region = self._named(name)
        _check_within(region, offset, byte_size)
        content = os.pread(region.descriptor, byte_size, region.offset + offset)
        if len(content) < byte_size:
            raise _has_shrunk(region)
        return content

    def write(self, name: str, offset: int, most: int, content: bytes) -> None:
        """Put an output into a region, at most ``most`` bytes.

        Refusal if that is too few, OSError if the system has no memory left for it.
        """
        region = self._named(name)
        if len(content) > most:
            raise invalid(f"an output has {len(content)} bytes: {most} are too few for it")
        _check_within(region, offset, most)
        if os.pwrite(region.descriptor, content, region.offset + offset) < len(content):
            raise OSError(errno.ENOSPC, "there is no shared memory left")

    def _registered(self, name: str) -> list[Region]:
        return [self._named(name)] if name else list(self._regions.values())

    def _named(self, name: str) -> Region:
        if name not in self._regions:
            raise Refusal(Kind.NOT_FOUND, f"no shared memory region {name!r} is registered")
        return self._regions[name]


def _opened(key: str) -> int:
    """A descriptor of the shared memory object ``key``, which is a name and no path."""
    match = _KEY.fullmatch(key)
    if not match or match[1] in (".", ".."):
        raise invalid(f"{key!r} is no key of shared memory: a name without further slashes")
    try:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(_FOLDER / match[1], flags)
    except (OSError, UnicodeEncodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error.reason
        raise invalid(f"the shared memory {key!r} cannot be opened: {why}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise invalid(f"{key!r} is no shared memory")
    return descriptor


def _check_within(region: Region, offset: int, byte_size: int) -> None:
    if offset < 0 or byte_size <= 0 or offset + byte_size > region.byte_size:
        raise invalid(
            f"{byte_size} bytes from {offset} on do not lie in the shared memory region "
            f"{region.name!r} of {region.byte_size} bytes"
        )
    if region.offset + offset + byte_size > os.fstat(region.descriptor).st_size:
        raise _has_shrunk(region)


def _has_shrunk(region: Region) -> Refusal:
    return invalid(f"the shared memory of region {region.name!r} is smaller than that")
