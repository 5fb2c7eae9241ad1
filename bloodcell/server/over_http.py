"""The protocol over HTTP: JSON, with tensors in binary behind it where a client wants that."""

import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from bloodcell.errors import InputError
from bloodcell.server.bodies import read_body
from bloodcell.server.json_requests import HEADER_LENGTH, read_json, read_request
from bloodcell.server.limits import is_loopback
from bloodcell.server.messages import InferRequest, InferResponse
from bloodcell.server.metrics import CONTENT_TYPE
from bloodcell.server.refusals import Kind, Refusal, invalid
from bloodcell.server.service import Service, about, metadata
from bloodcell.server.tensors import as_json

_PROTOCOL = "http"
_FROM_BROWSERS = ("Origin", "Sec-Fetch-Site")


class HttpServer:
    """Answers at one address; ``port`` 0 is any that is free."""

    def __init__(
        self, service: Service, host: str, port: int, context: ssl.SSLContext | None
    ) -> None:
        self._service, self._host, self._context = service, host, context
        self.port = port
        app = web.Application()
        app.add_routes(self._routes())
        # Its log has tracebacks for what clients sent wrong, which are told them.
        silent = logging.getLogger(f"{__name__}.silent")
        silent.disabled = True
        self._runner = web.AppRunner(
            app, access_log=None, logger=silent, handler_cancellation=True, shutdown_timeout=1.0,
            auto_decompress=False,
        )  # fmt: skip

    async def start(self) -> None:
        """Begin to answer; raises InputError if it cannot listen there."""
        await self._runner.setup()
        try:
            await web.TCPSite(
                self._runner, self._host, self.port, ssl_context=self._context
            ).start()
        except OSError as error:
            raise InputError(
                f"cannot listen for HTTP on {self._host}:{self.port} ({error.strerror}): choose "
                "another --http-port or --host"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections."""
        await self._runner.cleanup()

    def _routes(self) -> list[web.RouteDef]:
        models = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
        memory = ("/v2/systemsharedmemory", "/v2/systemsharedmemory/region/{region}")
        calls: list[tuple[str, str, str, _Handler]] = [
            ("GET", "/v2/health/live", "ServerLive", self._live),
            ("GET", "/v2/health/ready", "ServerReady", self._ready),
            ("GET", "/v2", "ServerMetadata", self._metadata),
            ("GET", "/metrics", "metrics", self._metrics),
            ("POST", f"{memory[1]}/register", "SystemSharedMemoryRegister", self._register),
        ]
        for model in models:
            calls += [
                ("GET", model, "ModelMetadata", self._model),
                ("GET", f"{model}/ready", "ModelReady", self._model_ready),
                ("POST", f"{model}/infer", "ModelInfer", self._infer),
            ]
        for at in memory:
            calls += [
                ("GET", f"{at}/status", "SystemSharedMemoryStatus", self._status),
                ("POST", f"{at}/unregister", "SystemSharedMemoryUnregister", self._unregister),
            ]
        calls.append(("*", "/{path:.*}", "unknown", _nothing))
        return [
            web.route(method, path, partial(self._answered, call, handler))
            for method, path, call, handler in calls
        ]

    async def _answered(
        self, call: str, handler: "_Handler", request: web.Request
    ) -> web.StreamResponse:
        try:
            with self._service.watched(_PROTOCOL, call, request.headers.get("Authorization")):
                self._refuse_pages(request)
                return await handler(request)
        except Refusal as refusal:
            return web.json_response({"error": str(refusal)}, status=refusal.kind.http_status)

    def _refuse_pages(self, request: web.Request) -> None:
        """Refusal of what a browser's page sends; it has no token, but may have this address.

        Of a page whose host's name was made to lead here, a GET tells by that name alone.
        """
        if any(name in request.headers for name in _FROM_BROWSERS):
            raise Refusal(Kind.FORBIDDEN, "pages of a browser are not answered")
        if not self._service.token.is_needed and not is_loopback(_host_of(request)):
            raise Refusal(
                Kind.FORBIDDEN,
                f"{_host_of(request)!r} is no name of this machine's own address: ask 127.0.0.1 or "
                "localhost, or start the server with --token-file",
            )

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _ready(self, _request: web.Request) -> web.Response:
        return web.Response(status=200 if self._service.is_ready else 503)

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.json_response(metadata())

    async def _model_ready(self, request: web.Request) -> web.Response:
        self._service.model(*_model_of(request))
        return await self._ready(request)

    async def _model(self, request: web.Request) -> web.Response:
        return web.json_response(about(self._service.model(*_model_of(request))))

    async def _infer(self, request: web.Request) -> web.Response:
        with self._service.taken():
            asked, is_binary = await self._asked(request)
            return _response(await self._service.infer(asked, None), is_binary)

    async def _asked(self, request: web.Request) -> tuple[InferRequest, Callable[[str], bool]]:
        """What is asked; body and JSON are let go while it is answered."""
        body = await self._body(request)
        return read_request(body, request.headers.get(HEADER_LENGTH), *_model_of(request))

    async def _body(self, request: web.Request) -> bytes:
        return await read_body(request, self._service.admission.limits.request_bytes)

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._service.regions.listed(request.match_info.get("region", "")))

    async def _register(self, request: web.Request) -> web.Response:
        with self._service.taken():
            read = read_json(await self._body(request))
        key, offset, byte_size = read.get("key"), read.get("offset", 0), read.get("byte_size")
        if not (isinstance(key, str) and type(offset) is int and type(byte_size) is int):
            raise invalid("key is a name, offset and byte_size are whole numbers")
        self._service.regions.register(request.match_info["region"], key, offset, byte_size)
        return web.Response()

    async def _unregister(self, request: web.Request) -> web.Response:
        self._service.regions.unregister(request.match_info.get("region", ""))
        return web.Response()

    async def _metrics(self, _request: web.Request) -> web.Response:
        content = self._service.metrics.text()
        return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE})


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _host_of(request: web.Request) -> str:
    """The name that is asked, without the port; a client of HTTP/1.0 need not send one."""
    name, colon, port = request.headers.get("Host", "localhost").rpartition(":")
    if port and not (colon and port.isdigit()):
        name += colon + port
    return name.strip("[]").lower()


async def _nothing(request: web.Request) -> web.StreamResponse:
    raise Refusal(Kind.NOT_FOUND, f"there is nothing at this path to {request.method}")


def _model_of(request: web.Request) -> tuple[str, str]:
    return request.match_info["name"], request.match_info.get("version", "")


def _response(answer: InferResponse, is_binary: Callable[[str], bool]) -> web.Response:
    outputs, behind = [], []
    for one in answer.outputs:
        written: dict[str, Any] = {
            "name": one.name, "datatype": one.datatype, "shape": list(one.shape),
        }  # fmt: skip
        if one.parameters:
            written["parameters"] = one.parameters
        elif is_binary(one.name):
            written["parameters"] = {"binary_data_size": len(one.content)}
            behind.append(one.content)
        else:
            written["data"] = as_json(one)
        outputs.append(written)
    about = {"model_name": answer.model, "model_version": answer.version, "outputs": outputs}
    if answer.identifier:
        about["id"] = answer.identifier
    header = json.dumps(about, allow_nan=False).encode()
    if not behind:
        return web.Response(body=header, content_type="application/json")
    return web.Response(
        body=b"".join([header, *behind]),
        content_type="application/octet-stream",
        headers={HEADER_LENGTH: str(len(header))},
    )
