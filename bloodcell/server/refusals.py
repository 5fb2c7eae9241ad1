"""Why a request is refused, in both protocols' words."""

import asyncio
from enum import Enum

from bloodcell.errors import BusyError, EngineError, InputError

_MOST_SAID_BYTES = 1200
"""Of a message: gRPC has it in a header, a byte as three where it is no ASCII, and a client drops
the whole answer for headers of more than 8 KiB."""


class Kind(Enum):
    """Each with its status over gRPC and over HTTP."""

    INVALID = "INVALID_ARGUMENT", 400
    UNAUTHENTICATED = "UNAUTHENTICATED", 401
    FORBIDDEN = "PERMISSION_DENIED", 403
    NOT_FOUND = "NOT_FOUND", 404
    TOO_LARGE = "RESOURCE_EXHAUSTED", 413
    BUSY = "RESOURCE_EXHAUSTED", 429
    CANCELLED = "CANCELLED", 499
    FAILED = "INTERNAL", 500
    STOPPING = "UNAVAILABLE", 503
    LATE = "DEADLINE_EXCEEDED", 504

    @property
    def grpc_code(self) -> str:
        """The name of the status code."""
        return self.value[0]

    @property
    def http_status(self) -> int:
        """The number of the status."""
        return self.value[1]


class Refusal(Exception):  # noqa: N818 - the server is well, the request is not
    """A request that is answered with an error; the message is for the client.

    What is long in it, as a name that was given, is cut in its middle.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(_cut(message))
        self.kind = kind


def _cut(message: str) -> str:
    content, half = message.encode(errors="replace"), _MOST_SAID_BYTES // 2
    if len(content) <= _MOST_SAID_BYTES:
        return message
    begin, end = (part.decode(errors="ignore") for part in (content[:half], content[-half:]))
    return f"{begin} ... {end}"


def invalid(message: str) -> Refusal:
    """A request that no server of this kind would take."""
    return Refusal(Kind.INVALID, message)


def refusal_of(error: Exception) -> Refusal:
    """What a client is told of an error; of an unexpected one no more than that it was."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, InputError):
        return invalid(str(error))
    if isinstance(error, BusyError):
        return Refusal(Kind.BUSY, str(error))
    if isinstance(error, EngineError):
        return Refusal(Kind.FAILED, str(error))
    if isinstance(error, asyncio.TimeoutError):
        return Refusal(Kind.LATE, "the request did not arrive in time")
    return Refusal(Kind.FAILED, "the server failed at this request; its log has the place")
