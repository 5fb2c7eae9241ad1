"""How much is taken at once, and from whom."""

import hmac
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiolimiter import AsyncLimiter

from bloodcell.errors import InputError
from bloodcell.server.refusals import Kind, Refusal

_LEAST_TOKEN_LENGTH = 16
_IDLE_STREAMS = 100
"""That may be open besides as many as there may be requests."""


@dataclass(frozen=True)
class Limits:
    """What a server takes at once, all clients together."""

    request_bytes: int
    """Of one request, with what it has in shared memory."""
    requests: int
    """To models, that are not answered."""
    cells: int
    """That have no result."""
    requests_per_s: float | None
    """To models; None is any number."""

    @property
    def streams(self) -> int:
        """Of gRPC, that are open, whether anything is asked in them or not."""
        return self.requests + _IDLE_STREAMS


class Admission:
    """Counts what is taken; refuses what would be too much. For one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = self.streams = self.cells = 0
        rate = limits.requests_per_s
        self._rate = None if rate is None else AsyncLimiter(max(rate, 1.0), max(1.0, 1.0 / rate))

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around a request; Refusal if there are as many as may be."""
        if self.requests >= self.limits.requests:
            raise Refusal(
                Kind.BUSY, f"{self.limits.requests} requests are not answered yet: try again later"
            )
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Around a stream; Refusal if as many are open as may be."""
        if self.streams >= self.limits.streams:
            raise Refusal(Kind.BUSY, f"{self.limits.streams} streams are open: close some")
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    async def pace(self) -> None:
        """Refusal if requests come faster than they may."""
        if self._rate is None:
            return
        if not self._rate.has_capacity():
            rate = self.limits.requests_per_s
            raise Refusal(Kind.BUSY, f"more than {rate:g} requests a second: try again later")
        await self._rate.acquire()

    @contextmanager
    def cells_of(self, count: int) -> Iterator[None]:
        """Around the scoring of so many cells; Refusal if there is no room for all of them."""
        most = self.limits.cells
        if count > most:
            raise Refusal(Kind.TOO_LARGE, f"{count} cells in a request: at most {most} are taken")
        if self.cells + count > most:
            raise Refusal(
                Kind.BUSY,
                f"{self.cells} cells have no result yet, and {count} more than {most} would not: "
                "try again later",
            )
        self.cells += count
        try:
            yield
        finally:
            self.cells -= count


class Token:
    """What clients have to show, as HTTP's ``Authorization: Bearer``; without a file nothing."""

    def __init__(self, path: Path | None) -> None:
        """Raises InputError if the file cannot be read or its token is too short."""
        self._expected = None if path is None else f"Bearer {_read(path)}".encode()

    @property
    def is_needed(self) -> bool:
        """Whether clients have to show one."""
        return self._expected is not None

    def check(self, authorization: str | None) -> None:
        """Refusal unless it is the token; takes as long for any other."""
        if self._expected is None:
            return
        given = (authorization or "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._expected):
            raise Refusal(
                Kind.UNAUTHENTICATED, "the header authorization: Bearer has not this server's token"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the token {path}: {error}") from error
    if len(token) < _LEAST_TOKEN_LENGTH or any(sign.isspace() for sign in token):
        raise InputError(
            f"{path} holds no token: {_LEAST_TOKEN_LENGTH} or more signs in one word are expected"
        )
    return token
