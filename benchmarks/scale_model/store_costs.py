"""Processor seconds that a client spends on a request to an object store: s3fs against moto's S3.

The store is a process of its own on this machine; what it takes, and any latency, does not count.
Requests are made as fsspec makes them, many in flight at once.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from scale_model.costs import Costs, cost, processor_s

_BUCKET = "scale"
_KEYS = 1000
_OBJECT = 18_330
"""Bytes of the median cell of aml-apl/test: 17.9 KiB."""
_RANGE = 1 << 23
_PART = 285_000
_AT_ONCE = 64


def measured_costs() -> Costs:
    """By name: ``value``, ``unit`` and ``how``."""
    with _served() as address:
        options: dict[str, Any] = {
            "endpoint_url": address, "key": "k", "secret": "s", "use_listings_cache": False,
            "max_concurrency": 1, "config_kwargs": {"max_pool_connections": _AT_ONCE},
        }  # fmt: skip
        store = fsspec.filesystem("s3", **options)
        store.mkdir(_BUCKET)
        small = [f"{_BUCKET}/cells/{number:05d}.jpg" for number in range(_KEYS)]
        store.pipe(dict.fromkeys(small, bytes(_OBJECT)))
        shard = f"{_BUCKET}/shard.tar"
        store.pipe_file(shard, bytes(4 * _RANGE))
        how = f"s3fs {_version()}, {_AT_ONCE} in flight, moto in another process"
        get = _each(store, lambda at: store._cat_file(small[at]), _KEYS)
        ranges = _each(
            store,
            lambda at: store._cat_file(shard, start=(at % 4) * _RANGE, end=(at % 4 + 1) * _RANGE),
            16,
        )
        put = _each(store, lambda at: store._pipe_file(f"{_BUCKET}/parts/{at}", bytes(_PART)), 100)
        pages = _KEYS / 1000
        listing = processor_s(lambda: len(store.find(f"{_BUCKET}/cells")) == _KEYS) / pages
    each = "processor s a request"
    return {
        "get_small_s": cost(get, each, f"GET of {_OBJECT:,} bytes; {how}"),
        "get_range_s": cost(ranges, each, f"GET of {_RANGE >> 20} MiB of a shard; {how}"),
        "put_part_s": cost(put, each, f"PUT of {_PART:,} bytes; {how}"),
        "list_page_s": cost(listing, each, f"LIST of 1,000 keys; {how}"),
    }


def _each(store: Any, request: Callable[[int], Awaitable[Any]], count: int) -> float:
    async def all_of_them() -> None:
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(at: int) -> None:
            async with room:
                await request(at)

        await asyncio.gather(*(one(at) for at in range(count)))

    def wait() -> None:
        asyncio.run_coroutine_threadsafe(all_of_them(), store.loop).result()

    wait()  # opens the connections
    return processor_s(wait) / count


@contextmanager
def _served() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = os.environ | {"MOTO_CALL_RESET_API": "false"}
    with (
        Path(os.devnull).open("w") as nothing,
        subprocess.Popen(words, stdout=nothing, stderr=nothing, env=environment) as server,
    ):
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    until_s = time.monotonic() + 60
    while not _answers(port):
        if time.monotonic() > until_s:
            raise TimeoutError(f"moto's server does not answer at port {port}")
        time.sleep(0.2)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _version() -> str:
    import s3fs

    return str(s3fs.__version__)
