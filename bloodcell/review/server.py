"""A run's report on this machine's own address, where answers are applied as they are saved.

The standard library's server is enough for one reader: nothing is to be found there that the
report's folder has not, and nothing can be asked without the token that the address holds.
"""

import hmac
import json
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RD, socket
from socketserver import TCPServer
from threading import Lock, Timer
from typing import Any
from urllib.parse import unquote, urlsplit

from bloodcell.errors import BloodcellError, InputError
from bloodcell.review import PORT
from bloodcell.review.answers import LARGEST_FILE

Apply = Callable[[bytes], dict[str, Any]]
"""Takes what a page saved, returns what has come of it; raises a BloodcellError."""

HOST = "127.0.0.1"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
"""Of the files of a report; what the system calls them may be anything."""

_ANY_KIND = "application/octet-stream"
_DIGITS = 9
"""Most of a length that is worth reading as a number."""

_SLOWEST_S = 30.0
"""How long a request may take to arrive."""


class ReviewServer(ThreadingHTTPServer):
    """Serves the folder ``report``; ``apply`` gets what is saved, one at a time.

    ``port`` 0 is any that is free: drafts do not outlive the server then. Raises InputError if the
    port is in use.
    """

    # What is being applied when the server is closed comes to its end.
    daemon_threads = False

    def __init__(self, report: Path, apply: Apply, port: int = PORT) -> None:
        self.report, self.token, self._apply = report.resolve(), secrets.token_urlsafe(32), apply
        self._one_at_a_time = Lock()
        self._silent: set[socket] = set()
        try:
            super().__init__((HOST, port), _Request)
        except OSError as error:
            raise InputError(
                f"cannot listen on {HOST}:{port} ({error.strerror}): end the `bloodcell review "
                "serve` that may run there, or choose another --port"
            ) from error

    def server_bind(self) -> None:
        """Bind without the look-up of a name that the base class makes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who went away is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        self._silent.add(request)
        super().process_request(request, client_address)

    def heard(self, connection: socket) -> None:
        """Something came, or nothing ever will."""
        self._silent.discard(connection)

    def server_close(self) -> None:
        """Wait for requests, but not on what browsers open ahead of need and say nothing on."""
        for connection in self._silent.copy():
            with suppress(OSError):  # it is gone
                connection.shutdown(SHUT_RD)
        super().server_close()

    @property
    def address(self) -> str:
        """Where the report is: the token stands in the path, and for the page after the #."""
        return f"http://{HOST}:{self.server_port}/{self.token}/index.html#token={self.token}"

    def apply(self, saved: bytes) -> dict[str, Any]:
        """Apply what a page saved."""
        with self._one_at_a_time:
            return self._apply(saved)

    def is_token(self, given: str | None) -> bool:
        """Whether ``given`` is the token; takes as long for any other."""
        return hmac.compare_digest((given or "").encode(), self.token.encode())

    def is_host(self, given: str | None) -> bool:
        """Whether a request names this address: a page of another name may not be answered."""
        return given in (f"{HOST}:{self.server_port}", f"localhost:{self.server_port}")


class _Request(BaseHTTPRequestHandler):
    """One request; a connection is closed after it."""

    server: ReviewServer
    server_version, sys_version = "bloodcell", ""
    timeout = _SLOWEST_S

    def handle(self) -> None:
        """Answer; what has not arrived in time never will, though a byte came now and then."""
        late = Timer(_SLOWEST_S, self._read_no_more)
        late.daemon = True
        late.start()
        try:
            super().handle()
        finally:
            late.cancel()
            self.server.heard(self.connection)

    def parse_request(self) -> bool:
        """Called with the first line."""
        self.server.heard(self.connection)
        return super().parse_request()

    def do_GET(self) -> None:
        """A file of the report."""
        path = self._path()
        if path is None:
            return
        try:
            file = (self.server.report / path).resolve()
            is_shown = file.is_relative_to(self.server.report) and file.is_file()
            content = file.read_bytes() if is_shown else None
        except (OSError, RuntimeError):  # longer than names may be; links that go round
            content = None
        if content is None:
            self._say(HTTPStatus.NOT_FOUND, "there is no such file")
        else:
            self._send(HTTPStatus.OK, content, _KINDS.get(file.suffix, _ANY_KIND))

    do_HEAD = do_GET  # noqa: N815 - likewise

    def do_POST(self) -> None:
        """Answers of a page."""
        path = self._path()
        saved = None if path is None else self._body()
        if saved is None:
            return
        origin = self.headers.get("Origin")
        if origin and not self.server.is_host(origin.removeprefix("http://")):
            self._say(HTTPStatus.FORBIDDEN, "another page may not save answers here")
        elif not self.server.is_token(self.headers.get("X-Token")):
            self._say(HTTPStatus.FORBIDDEN, "the token is not this server's: open its address")
        elif path != "answers":
            self._say(HTTPStatus.NOT_FOUND, "answers alone can be saved")
        else:
            self._apply(saved)

    def _read_no_more(self) -> None:
        with suppress(OSError):  # it is gone
            self.connection.shutdown(SHUT_RD)

    def _body(self) -> bytes | None:
        """What was sent; None, and answered, if that has no length or is too long."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._say(HTTPStatus.LENGTH_REQUIRED, "the length of the answers is not given")
        elif len(length) > _DIGITS or int(length) > LARGEST_FILE:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "that is larger than answers are")
        else:
            return self.rfile.read(int(length))
        return None

    def _apply(self, saved: bytes) -> None:
        try:
            applied = self.server.apply(saved)
        except InputError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
        except (BloodcellError, OSError) as error:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            content = json.dumps(applied, ensure_ascii=False, allow_nan=False).encode()
            self._send(HTTPStatus.OK, content, "application/json")

    def _path(self) -> str | None:
        """What is asked for below the report; None, and answered, if it may not be asked."""
        try:
            asked = urlsplit(self.path).path
        except ValueError:  # no address of a host
            asked = ""
        token, _, path = unquote(asked).removeprefix("/").partition("/")
        if not self.server.is_host(self.headers.get("Host")):
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
        elif not self.server.is_token(token):
            self._say(HTTPStatus.NOT_FOUND, "there is no such file")
        elif "\0" in path:
            self._say(HTTPStatus.BAD_REQUEST, "that is no name of a file")
        else:
            return path
        return None

    def _say(self, status: HTTPStatus, text: str) -> None:
        self._send(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: paths hold the token."""
