"""`bloodcell review serve` in a process of its own, as a user starts it."""

import os
import signal
import subprocess
import sys
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import bloodcell


class Served:
    def __init__(self, run: bloodcell.Run, *before: str, port: int = 0) -> None:
        """``before``: words of a program that runs it."""
        words = [sys.executable, "-m", "bloodcell", "review", "serve", str(run.folder), "--json"]
        words += ["--port", str(port)]
        self.process = subprocess.Popen(
            [*before, *words], stdout=-1, stderr=-1, text=True, start_new_session=True
        )
        assert self.process.stderr
        self.address = self.process.stderr.readline().strip()
        where = urlsplit(self.address)
        if where.hostname != "127.0.0.1" or not where.port:
            self.kill()
            raise AssertionError(self.address)
        self.port, self.token = where.port, where.path.split("/")[1]

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """``path`` below the report, or with a slash at its begin below the server."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        whole = path if path.startswith("/") else f"/{self.token}/{path}"
        connection.putrequest(method, whole, skip_host="Host" in headers)
        if body is not None and "Content_Length" not in headers:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        response = connection.getresponse()
        return response, response.read()

    def ended(self) -> tuple[int, str, str]:
        os.killpg(self.process.pid, signal.SIGINT)
        out, said = self.process.communicate(timeout=60)
        return self.process.returncode, out, said

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
