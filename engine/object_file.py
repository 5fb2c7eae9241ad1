"""An object as a file that is read from front to back, by ranges asked for ahead of the reader."""

import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Buffer

Begin: TypeAlias = Callable[[int, int], "Future[bytes]"]
"""Begins to read the bytes from the first place to before the second."""

_FIRST_BYTES, _MOST_BYTES = 64 << 10, 1 << 20
"""Of a range: twice as much each time, while it is read on."""
_RANGES_AHEAD = 4
_NEAR_BYTES = 1 << 20
"""To pass over fewer bytes costs no more time than to ask for a place anew."""


def open_object(begin: Begin, size: int) -> BinaryIO:
    """An object of ``size`` bytes, for reading; raises what the futures of ``begin`` raise."""
    return io.BufferedReader(_Ranges(begin, size), _FIRST_BYTES)


class _Ranges(io.RawIOBase):
    """Reads ahead while it is read on, and the place alone where somebody jumps to and fro."""

    def __init__(self, begin: Begin, size: int) -> None:
        self._begin, self._size = begin, size
        self._at = self._asked = 0
        self._step, self._most = _FIRST_BYTES, 1
        self._ranges: deque[tuple[int, int, Future[bytes]]] = deque()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: "Buffer") -> int:
        if self._at >= self._size:
            return 0
        self._ask()
        start, _, content = self._ranges[0]
        taken = content.result()[self._at - start :]
        with memoryview(buffer) as target:
            taken = taken[: len(target)]
            target[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def _ask(self) -> None:
        """Have what lies at ``self._at`` in the first range, and more behind it on its way."""
        first = self._ranges[0][0] if self._ranges else self._asked
        if not first <= self._at <= self._asked + _NEAR_BYTES:
            self._forget()
            self._asked, self._step, self._most = self._at, _FIRST_BYTES, 1
        while self._ranges and self._ranges[0][1] <= self._at:
            self._ranges.popleft()[2].cancel()
            self._step, self._most = min(2 * self._step, _MOST_BYTES), _RANGES_AHEAD
        if not self._ranges:
            self._asked = self._at
        while len(self._ranges) < self._most and self._asked < self._size:
            start, end = self._asked, min(self._asked + self._step, self._size)
            self._ranges.append((start, end, self._begin(start, end)))
            self._asked = end

    def _forget(self) -> None:
        while self._ranges:
            self._ranges.popleft()[2].cancel()

    def close(self) -> None:
        self._forget()
        super().close()
