"""One writer a run in an object store: an object that names it, made if there is none."""

import errno
import json
import logging
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict

from bloodcell.errors import BloodcellError, RunError
from bloodcell.locks import HOLDER, Holder
from bloodcell.mirror.objects import RunObjects, putting
from bloodcell.mirror.working_folder import alone

_LOG = logging.getLogger(__name__)

_held: set[bytes] = set()
"""Contents of the objects by which this process holds runs now."""


@contextmanager
def held_objects(objects: RunObjects) -> Iterator[None]:
    """Hold a run against a second writer; RunError, which names the holder, if it is held.

    What a process of this host left behind is taken over. A store that makes an object though there
    is one is noticed, and a line in the log says so.
    """
    mine = json.dumps(asdict(Holder.own()) | {"token": secrets.token_hex(16)}).encode()
    with ExitStack() as at_end:
        _held.add(mine)
        at_end.callback(_held.discard, mine)
        # Else two of this host might take over one that is gone, and each delete the other's.
        with alone():
            _take(objects, mine)
        at_end.callback(_release, objects, mine)
        _warn_if_replaced(objects, mine)
        yield


def _release(objects: RunObjects, mine: bytes) -> None:
    # If it cannot be deleted, this host takes it over and another one says what to do.
    with suppress(BloodcellError, OSError):
        if objects.read(HOLDER) == mine:
            objects.delete(HOLDER).result()


def _take(objects: RunObjects, mine: bytes) -> None:
    _refuse_if_held(objects)
    with putting():
        is_mine = _create(objects, mine)
    if not is_mine:
        _refuse_if_held(objects)
        raise RunError(
            f"{objects.place} was taken by another process in this moment: run the same command "
            "again"
        )


def _warn_if_replaced(objects: RunObjects, mine: bytes) -> None:
    """Warn of a store that makes the object anew though there is one."""
    with putting():
        is_refused = not _create(objects, mine + b"\n")
        if not is_refused:
            objects.put_bytes(HOLDER, mine).result()
    if not is_refused:
        _LOG.warning(
            "%s: the store replaces an object that was to be made only if there is none: a second "
            "run that begins in the same moment is not kept out", objects.place,
        )  # fmt: skip


def _create(objects: RunObjects, content: bytes) -> bool:
    """Whether the object was made, and is not another's."""
    try:
        objects.create(HOLDER, content)
    except OSError as error:
        if error.errno == errno.ENOSYS:  # the store does not know the condition
            objects.put_bytes(HOLDER, content).result()
            return True
        # Stores and their packages say differently that there is one: 409, 412, by what words ever.
        there = objects.read(HOLDER)
        if there is None:
            raise
        # Made by this call, whose answer was lost: then it was tried again.
        return there == content
    return True


def _refuse_if_held(objects: RunObjects) -> None:
    """RunError if a process holds the run; what one of this host left is deleted."""
    content = objects.read(HOLDER)
    if content is None:
        return
    holder = Holder.read(content)
    is_left = holder and (holder.is_gone or (holder.is_here and content.strip() not in _held))
    if is_left:
        with putting():
            objects.delete(HOLDER).result()
        return
    advice = ""
    if holder is None or holder.host != socket.gethostname():
        advice = (
            f". If that process is gone, delete {objects.place / HOLDER} and run the same command "
            "again"
        )
    raise RunError(
        f"{objects.place} is being written by another process ({holder or 'it left no name'})"
        f"{advice}"
    )
