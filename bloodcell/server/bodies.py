"""Bodies of HTTP requests, which may be compressed: read and unpacked within their bounds.

aiohttp's own way unpacks in the thread that answers everybody, many megabytes at a stretch, and
goes on for what is refused.
"""

import asyncio
import zlib

from aiohttp import web

from bloodcell.server.refusals import Kind, Refusal, invalid

_SLOWEST_S = 30.0
"""How long a body may take to arrive."""
_PACKED = {"gzip": zlib.MAX_WBITS + 16, "deflate": zlib.MAX_WBITS}
"""How a body may be compressed, with zlib's number for its format."""
_AS_IT_IS = ("", "identity")


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """What was sent, unpacked.

    Refusal if that is more than ``most_bytes``, as it came or unpacked, or not what the headers
    say; TimeoutError if it takes long to arrive.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in (*_AS_IT_IS, *_PACKED):
        raise invalid(f"Content-Encoding is one of {', '.join(_PACKED)}, {encoding!r} given")
    try:
        body = await asyncio.wait_for(_arrived(request, most_bytes), _SLOWEST_S)
    except web.RequestPayloadError as error:
        raise _is_not_as_said() from error
    except ConnectionError as error:
        raise Refusal(Kind.CANCELLED, "the client has gone") from error
    if encoding in _AS_IT_IS:
        return body
    return await asyncio.to_thread(_unpacked, body, _PACKED[encoding], most_bytes)


async def _arrived(request: web.Request, most_bytes: int) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > most_bytes:
            raise _is_too_large(most_bytes)
    return bytes(body)


def _unpacked(body: bytes, window_bits: int, most_bytes: int) -> bytes:
    unpacking = zlib.decompressobj(window_bits)
    try:
        content = unpacking.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise _is_not_as_said() from error
    if len(content) > most_bytes:
        raise _is_too_large(most_bytes)
    if not unpacking.eof or unpacking.unused_data:
        raise _is_not_as_said()
    return content


def _is_too_large(most_bytes: int) -> Refusal:
    return Refusal(Kind.TOO_LARGE, f"a request has at most {most_bytes} bytes")


def _is_not_as_said() -> Refusal:
    return invalid("the body is not what its headers say")
