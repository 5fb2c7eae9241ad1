"""An object store of this machine (moto's S3), and a proxy before it as unsteady as is wanted."""

import asyncio
import io
import logging
import math
import os
import random
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from moto.server import ThreadedMotoServer
from yarl import URL

BUCKET = "cells"
SLOW_DOWN = (
    '<?xml version="1.0"?><Error><Code>SlowDown</Code>'
    "<Message>Please reduce your request rate.</Message></Error>"
)
INTERNAL_ERROR = (
    '<?xml version="1.0"?><Error><Code>InternalError</Code>'
    "<Message>We encountered an internal error.</Message></Error>"
)


@dataclass
class Proxy:
    """Passes requests on to ``target``; what it spoils is set at any time, by any thread."""

    target: str
    throttled: float = 0.0
    """The share of requests, drawn at random, that is answered by 503."""
    broken: float = 0.0
    """The share that is answered by 500, drawn so too, as are the next two."""
    cut: float = 0.0
    """Without an answer: the connection is cut."""
    short: float = 0.0
    """With half the body, and then a cut."""
    most_in_a_row: float = math.inf
    """Requests for one path that are spoiled one after another, so that chance refuses none."""
    refusal: int = 0
    """The status, if there is one, by which Google's store would refuse every request."""
    latency_s: float = 0.0
    """Before each answer."""
    is_down: bool = False
    """Every connection is cut."""
    down_after: int | None = None
    """Requests until it is down."""
    requests: Counter[str] = field(default_factory=Counter)
    """By method, and GETs with a range as ``range``, of lists of objects as ``list``."""
    spoiled: Counter[str] = field(default_factory=Counter)
    """By the names above."""
    bytes_sent: int = 0
    """Of bodies."""
    address: str = ""
    session: aiohttp.ClientSession | None = None
    _random: random.Random = field(default_factory=lambda: random.Random(1))
    _in_a_row: Counter[str] = field(default_factory=Counter)
    """How many requests for a path were spoiled, up to the last."""

    def steady(self) -> None:
        """Spoil nothing any more, and count anew."""
        self.throttled = self.broken = self.cut = self.short = self.latency_s = 0.0
        self.is_down, self.down_after, self.refusal = False, None, 0
        self.most_in_a_row = math.inf
        self.bytes_sent = 0
        self.requests.clear()
        self.spoiled.clear()
        self._in_a_row.clear()
        self._random.seed(1)

    def unsteady(self, share: float) -> None:
        """Spoil ``share`` of the requests, a quarter of them each way."""
        self.throttled = self.broken = self.cut = self.short = share / 4
        self.most_in_a_row = 5

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        self.requests[_kind_of(request)] += 1
        if self.down_after is not None and self.requests.total() > self.down_after:
            self.is_down = True
        how = "down" if self.is_down else self._how(request.raw_path)
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        if how:
            self.spoiled[how] += 1
        if self.refusal:
            error = {"code": self.refusal, "message": "Caller has no access"}
            return web.json_response({"error": error}, status=self.refusal)
        if how == "throttled":
            return web.Response(status=503, text=SLOW_DOWN, content_type="application/xml")
        if how == "broken":
            return web.Response(status=500, text=INTERNAL_ERROR, content_type="application/xml")
        if how in ("down", "cut"):
            assert request.transport
            request.transport.abort()
            return web.Response()
        return await self._answer(request, is_short=how == "short")

    async def _answer(self, request: web.Request, *, is_short: bool) -> web.StreamResponse:
        url = URL(self.target + request.raw_path, encoded=True)
        headers = {k: v for k, v in request.headers.items() if k.lower() != "expect"}
        content = await request.read()
        assert self.session
        async with self.session.request(
            request.method,
            url,
            headers=headers,
            data=io.BytesIO(content) if content else None,
            skip_auto_headers=["Content-Type"],
        ) as answer:
            body = await answer.read()
            kept = {
                k: v
                for k, v in answer.headers.items()
                if k.lower() not in ("connection", "transfer-encoding", "content-length")
            }
            length = answer.headers.get("Content-Length", str(len(body)))
        passed = web.StreamResponse(
            status=answer.status, headers={**kept, "Content-Length": length}
        )
        await passed.prepare(request)
        if is_short and len(body) > 1:
            await passed.write(body[: len(body) // 2])
            assert request.transport
            request.transport.abort()
            return passed
        if request.method != "HEAD":
            self.bytes_sent += len(body)
            await passed.write(body)
        await passed.write_eof()
        return passed

    def _how(self, path: str) -> str:
        drawn = self._random.random()
        for name in ("throttled", "broken", "cut", "short"):
            drawn -= getattr(self, name)
            if drawn < 0 and self._in_a_row[path] < self.most_in_a_row:
                self._in_a_row[path] += 1
                return name
        del self._in_a_row[path]
        return ""


def _kind_of(request: web.Request) -> str:
    if request.method == "GET" and "Range" in request.headers:
        return "range"
    if request.method == "GET" and "list-type" in request.query:
        return "list"
    return request.method.lower()


@contextmanager
def proxy_before(target: str) -> Iterator[Proxy]:
    """A proxy on a free port, in a thread of its own."""
    proxy, loop = Proxy(target), asyncio.new_event_loop()

    async def begin() -> web.AppRunner:
        proxy.session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", proxy.pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def end(runner: web.AppRunner) -> None:
        await runner.cleanup()
        assert proxy.session
        await proxy.session.close()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(begin(), loop).result()
        try:
            yield proxy
        finally:
            asyncio.run_coroutine_threadsafe(end(runner), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass(frozen=True)
class Store:
    """moto's S3 behind a proxy, with one bucket; both are emptied and steady for each test."""

    proxy: Proxy
    direct: str
    """The address of the store without the proxy."""

    @contextmanager
    def refusing_credentials(self) -> Iterator[None]:
        """Take only keys that the store has given out; it has given out none."""
        self._set_requests_without_keys(0)
        try:
            yield
        finally:
            self._set_requests_without_keys(math.inf)

    def _set_requests_without_keys(self, count: float) -> None:
        address = f"{self.direct}/moto-api/reset-auth"
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(address, str(count).encode(), headers)
        urllib.request.urlopen(request).close()

    @cached_property
    def client(self) -> Any:
        """boto3's, past the proxy: what tests do themselves is neither counted nor spoiled."""
        import boto3

        return boto3.client("s3", endpoint_url=self.direct)

    def put_tree(self, folder: Path, prefix: str) -> str:
        """Put the files below ``folder`` under ``prefix``; returns the URL."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                self.put(key, path.read_bytes())
        return f"s3://{BUCKET}/{prefix}"

    def put_many(self, keys: Iterable[str], body: bytes = b"") -> None:
        """Put objects past all requests, for these take their time."""
        from moto.s3.models import s3_backends

        backend = s3_backends["123456789012"]["aws"]
        for key in keys:
            backend.put_object(BUCKET, key, body)

    def put(self, key: str, body: bytes) -> str:
        """Put one object; returns its URL."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"


ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def served_store() -> Iterator[Store]:
    """A store with an empty bucket, and the environment (of processes started here, too) for it."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    direct = f"http://{host}:{port}"
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    try:
        with proxy_before(direct) as proxy:
            os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=proxy.address)
            store = Store(proxy, direct)
            store.client.create_bucket(Bucket=BUCKET)
            yield store
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()
