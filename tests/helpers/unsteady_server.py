"""A web server of this machine with one file, as unsteady as a test wants it."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What is served and how; ``ranges`` and ``answers`` are what was asked and given."""

    content: bytes
    etag: str = '"one"'
    takes_ranges: bool = True
    says_length: bool = True
    failures: list[int] = field(default_factory=list)
    """Statuses of the next answers, before any content."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    silent: int = 0
    """How many of the next answers hang before they begin."""
    pause_s: float = 0.0
    """After each kilobyte."""
    before_each: Callable[[], None] = lambda: None
    ranges: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.ranges.append(self.headers.get("Range", ""))
        site.before_each()
        if site.silent:
            site.silent -= 1
            time.sleep(10)
            return
        if site.failures:
            self._say(site.failures.pop(0), {"Content-Length": "0"})
            return
        first = self._first()
        if first >= len(site.content):
            size = len(site.content)
            self._say(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        rest = site.content[first:]
        headers = {"Content-Length": str(len(rest))} if site.says_length else {}
        if site.etag:
            headers["ETag"] = site.etag
        if first:
            last = len(site.content) - 1
            headers["Content-Range"] = f"bytes {first}-{last}/{len(site.content)}"
        self._say(206 if first else 200, headers)
        self._send(rest[: site.cuts.pop(0)] if site.cuts else rest)

    def _first(self) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") == self.site.etag
        return int(asked[1]) if asked and same and self.site.takes_ranges else 0

    def _say(self, status: int, headers: dict[str, str]) -> None:
        self.site.answers.append(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes) -> None:
        for place in range(0, len(content), 1024):
            self.wfile.write(content[place : place + 1024])
            time.sleep(self.site.pause_s)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(site: Site) -> Iterator[Site]:
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.address = f"http://127.0.0.1:{server.server_port}/set.zip"
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
