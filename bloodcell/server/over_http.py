"""The protocol over HTTP: JSON, with tensors in binary behind it where a client wants that."""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from bloodcell.errors import InputError
from bloodcell.server.messages import InferRequest, InferResponse, Parameters, Tensor, Wanted
from bloodcell.server.metrics import CONTENT_TYPE
from bloodcell.server.refusals import Kind, Refusal, invalid
from bloodcell.server.service import Service, about, metadata
from bloodcell.server.tensors import as_json, from_values

_PROTOCOL = "http"
_SLOWEST_S = 30.0
"""How long a request may take to arrive."""
_HEADER_LENGTH = "Inference-Header-Content-Length"
"""How much of a body is JSON; what is behind it is tensors in binary."""
_FROM_BROWSERS = ("Origin", "Sec-Fetch-Site")


class HttpServer:
    """Answers at one address; ``port`` 0 is any that is free."""

    def __init__(
        self, service: Service, host: str, port: int, context: ssl.SSLContext | None
    ) -> None:
        self._service, self._host, self._context = service, host, context
        self.port = port
        app = web.Application(client_max_size=service.admission.limits.request_bytes)
        app.add_routes(self._routes())
        # Its log has what clients sent.
        silent = logging.getLogger(f"{__name__}.silent")
        silent.disabled = True
        self._runner = web.AppRunner(
            app, access_log=None, logger=silent, handler_cancellation=True, shutdown_timeout=1.0
        )

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
                if any(name in request.headers for name in _FROM_BROWSERS):
                    raise Refusal(Kind.FORBIDDEN, "pages of a browser are not answered")
                return await handler(request)
        except Refusal as refusal:
            return web.json_response({"error": str(refusal)}, status=refusal.kind.http_status)

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
            body = await self._body(request)
            read, behind = _split(body, request.headers.get(_HEADER_LENGTH))
            asked, is_binary = _request(read, behind, *_model_of(request))
            return _response(await self._service.infer(asked, None), is_binary)

    async def _body(self, request: web.Request) -> bytes:
        """What was sent; Refusal if that is too much or no body, TimeoutError if it takes long."""
        try:
            return await asyncio.wait_for(request.read(), _SLOWEST_S)
        except web.HTTPRequestEntityTooLarge as error:
            most = self._service.admission.limits.request_bytes
            raise Refusal(Kind.TOO_LARGE, f"a request has at most {most} bytes") from error
        except web.RequestPayloadError as error:
            raise invalid("the body is not what its headers say") from error

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._service.regions.listed(request.match_info.get("region", "")))

    async def _register(self, request: web.Request) -> web.Response:
        with self._service.taken():
            read = _read(await self._body(request))
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


async def _nothing(request: web.Request) -> web.StreamResponse:
    raise Refusal(Kind.NOT_FOUND, f"there is nothing at this path to {request.method}")


def _model_of(request: web.Request) -> tuple[str, str]:
    return request.match_info["name"], request.match_info.get("version", "")


def _split(body: bytes, length: str | None) -> tuple[dict[str, Any], bytes]:
    """The JSON of a body, and the binary tensors behind it."""
    if length is None:
        return _read(body), b""
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise invalid(f"{_HEADER_LENGTH} is the number of bytes that are JSON")
    if int(length) > len(body):
        raise invalid(f"{_HEADER_LENGTH} is {length}, and the body has {len(body)} bytes")
    return _read(body[: int(length)]), body[int(length) :]


def _read(content: bytes) -> dict[str, Any]:
    try:
        read = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise invalid("this is no JSON") from error
    return _dictionary(read, "the request")


def _request(
    read: dict[str, Any], behind: bytes, model: str, version: str
) -> tuple[InferRequest, Callable[[str], bool]]:
    """The request, and of each output whether it is wanted in binary."""
    identifier, parameters = read.get("id", ""), _parameters(read)
    if not isinstance(identifier, str):
        raise invalid("id is a string")
    inputs, at = [], 0
    for one in _list(read, "inputs"):
        tensor, at = _tensor(one, behind, at)
        inputs.append(tensor)
    if at != len(behind):
        raise invalid(f"{len(behind) - at} bytes follow the last input")
    outputs = [Wanted(_name(one), _parameters(one)) for one in _list(read, "outputs")]
    binary = {one.name: one.parameters.get("binary_data") for one in outputs}

    def is_binary(name: str) -> bool:
        wanted = binary.get(name)
        return bool(parameters.get("binary_data_output") if wanted is None else wanted)

    return InferRequest(model, version, identifier, parameters, inputs, outputs), is_binary


def _tensor(read: dict[str, Any], behind: bytes, at: int) -> tuple[Tensor, int]:
    """An input, and where the next one begins in ``behind``."""
    name, parameters = _name(read), _parameters(read)
    datatype, shape = read.get("datatype"), read.get("shape")
    if not isinstance(datatype, str) or not isinstance(shape, list):
        raise invalid(f"input {name!r}: datatype is a string, shape a list")
    if not all(type(size) is int for size in shape):
        raise invalid(f"input {name!r}: shape is a list of whole numbers")
    size, content = parameters.get("binary_data_size"), b""
    if size is not None:
        if type(size) is not int or not 0 <= size <= len(behind) - at:
            raise invalid(f"input {name!r}: binary_data_size is {size!r}, the body is shorter")
        content = behind[at : at + size]
        at += size
    elif "shared_memory_region" not in parameters:
        content = from_values(datatype, _list(read, "data"))
    return Tensor(name, datatype, tuple(shape), content, parameters), at


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
        headers={_HEADER_LENGTH: str(len(header))},
    )


def _name(read: Any) -> str:
    name = _dictionary(read, "a tensor").get("name")
    if not isinstance(name, str):
        raise invalid("a tensor has a name")
    return name


def _parameters(read: dict[str, Any]) -> Parameters:
    found = _dictionary(read.get("parameters", {}), "parameters")
    for name, value in found.items():
        if not isinstance(value, bool | int | float | str):
            raise invalid(f"the parameter {name!r} is true, false, a number or a string")
    return found


def _list(read: dict[str, Any], name: str) -> list[Any]:
    found = read.get(name, [])
    if not isinstance(found, list):
        raise invalid(f"{name} is a list")
    return found


def _dictionary(read: Any, what: str) -> dict[str, Any]:
    if not isinstance(read, dict):
        raise invalid(f"{what} is an object of JSON")
    return read
