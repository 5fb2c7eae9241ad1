"""One file by HTTP, taken up where it broke off.

By Python's own library: pooch, which the field uses to fetch data, and requests below it, begin
anew after a cut, which for 11 GB over an unsteady line never ends.
"""

import re
import threading
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bloodcell import __version__
from bloodcell.errors import InputError, Stopped
from bloodcell.files import writing

_FRUITLESS_TRIES = 5
"""Tries in a row that may bring nothing; one that brings something does not count."""
_FIRST_PAUSE_S = 1.0
"""Before a second try; each time without fruit it doubles."""
_SILENCE_S = 60.0
"""After which a server is taken to have gone."""
_BLOCK_BYTES = 1 << 20
_NOT_SATISFIABLE = 416
_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}
"""Answers after which to try again (RFC 9110, section 15)."""

Progress = Callable[[int, int], None]
"""Told the bytes that are there, and of how many; the latter is 0 if the server does not say."""


def part_of(target: Path) -> Path:
    """Where the bytes of ``target`` lie until they are all there."""
    return target.with_name(f"{target.name}.part")


def download(address: str, target: Path, progress: Progress, stop: threading.Event) -> Path:
    """Bring the file at ``address`` to ``part_of(target)``, which is returned when it is whole.

    What an earlier call brought is kept if the server says that the file is still the same, by its
    ETag or date (RFC 9110, section 13.1.5), and begun anew if not. Raises Stopped once ``stop`` is
    set and InputError if the server refuses or keeps silent, both with the part kept; DiskError.
    """
    part, fruitless = part_of(target), 0
    while True:
        before = _size(part)
        try:
            _bring_rest(address, part, progress, stop)
            return part
        except HTTPError as refusal:
            if refusal.code not in _MAY_PASS:
                raise InputError(
                    f"{address} cannot be fetched: {refusal.code} {refusal.reason}. Addresses "
                    "move: see the data set's page, and give the new one by --addresses"
                ) from refusal
            reason: Exception = refusal
        except (OSError, HTTPException) as broken:
            reason = broken
        fruitless = 0 if _size(part) > before else fruitless + 1
        if fruitless == _FRUITLESS_TRIES:
            raise InputError(
                f"{address} brought nothing {fruitless} times, at last: {reason}. What had come is "
                f"kept in {part}; the same command goes on"
            ) from reason
        stop.wait(_FIRST_PAUSE_S * 2 ** max(0, fruitless - 1))
        _check(stop, part)


def _bring_rest(address: str, part: Path, progress: Progress, stop: threading.Event) -> None:
    have, version = _size(part), _version_of(part)
    headers = {"User-Agent": f"bloodcell/{__version__}", "Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        response: HTTPResponse = urlopen(Request(address, headers=headers), timeout=_SILENCE_S)
    except HTTPError as refusal:
        refusal.close()
        if refusal.code != _NOT_SATISFIABLE:
            raise
        # All of it had come, or it is shorter now.
        if refusal.headers.get("Content-Range", "").strip() == f"bytes */{have}":
            return
        part.unlink()
        raise ConnectionError("the file is shorter than what had come of it") from refusal
    with response:
        if not (response.status == 206 and _first_byte(response) == have):
            have = 0
            _note_version(part, response)
        _append(response, part, have, progress, stop)


def _append(
    response: HTTPResponse, part: Path, have: int, progress: Progress, stop: threading.Event
) -> None:
    if response.status == 206 and not have:
        raise ConnectionError("the server gave another range than was asked for")
    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isdecimal() else 0
    with writing(part):
        file = part.open("ab")
        file.truncate(have)
    with file:
        while block := response.read1(_BLOCK_BYTES):
            with writing(part):
                file.write(block)
                file.flush()
            have += len(block)
            progress(have, total)
            _check(stop, part)
    if total and have < total:
        raise ConnectionError(f"cut after {have} of {total} bytes")


def _first_byte(response: HTTPResponse) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _note_version(part: Path, response: HTTPResponse) -> None:
    """Keep what tells the file from a later one; a weak ETag cannot (RFC 9110, 8.8.3)."""
    etag = response.headers.get("ETag", "")
    version = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
    with writing(part):
        _version_path(part).write_text(version, encoding="latin-1")


def _version_of(part: Path) -> str:
    path = _version_path(part)
    return path.read_text(encoding="latin-1") if path.is_file() else ""


def _version_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def forget_part(part: Path) -> None:
    """Remove what is noted of a part, once it has got its name or is given up."""
    _version_path(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _check(stop: threading.Event, part: Path) -> None:
    if stop.is_set():
        raise Stopped(f"stopped; what has come is kept in {part}, and the same command goes on")
