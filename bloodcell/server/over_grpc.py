"""The protocol over gRPC: calls to the service, messages to requests and back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from bloodcell.errors import InputError
from bloodcell.server.messages import InferRequest, InferResponse, Parameters, Tensor, Wanted
from bloodcell.server.protocol import SERVICE, message, methods
from bloodcell.server.refusals import Refusal, invalid
from bloodcell.server.service import Service, about, metadata
from bloodcell.server.tensors import from_values

_PROTOCOL = "grpc"
_MOST_IN_A_STREAM = 64
"""Requests of one stream that are not answered; the next is not read before."""
_SPARE_CALLS = 100
"""Besides streams and twice the requests: health is answered while all of these are open."""
_ADDED_BYTES = 64 * 1024
"""Of a message besides its tensors."""


class GrpcServer:
    """Answers at one address. ``keys``: private key and certificate chain in PEM, None without TLS.

    ``port`` 0 is any that is free.
    """

    def __init__(
        self, service: Service, host: str, port: int, keys: tuple[bytes, bytes] | None
    ) -> None:
        """Raises InputError if it cannot listen there. Needs a running event loop."""
        self._service = service
        limits = service.admission.limits
        size = limits.request_bytes + _ADDED_BYTES
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", min(size, 2**31 - 1)),
                ("grpc.so_reuseport", 0),  # or a second server would share the port in silence
            ],
            maximum_concurrent_rpcs=2 * limits.requests + limits.streams + _SPARE_CALLS,
        )
        handlers = {one.name: self._handler(one) for one in methods()}
        self._server.add_registered_method_handlers(SERVICE, handlers)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if keys is None:
                self.port = self._server.add_insecure_port(address)
            else:
                credentials = grpc.ssl_server_credentials([keys])
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise InputError(
                f"cannot listen for gRPC on {address}: choose another --grpc-port or --host"
            ) from error

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Take no call any more, end those that run when ``grace_s`` is over."""
        await self._server.stop(grace_s)

    def _handler(self, method: Any) -> Any:
        request, answer = message(method.input_type.name), message(method.output_type.name)
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method.name, request, answer), response_serializer=_written
            )
        body = _CALLS[method.name]
        return grpc.unary_unary_rpc_method_handler(
            self._single(method.name, request, answer, body), response_serializer=_written
        )

    def _single(self, call: str, request: Any, answer: Any, body: "_Body") -> Any:
        async def answered(content: bytes, context: Any) -> Any:
            try:
                with self._service.watched(_PROTOCOL, call, _authorization(context)):
                    left_s = context.time_remaining()
                    return answer(**await body(self._service, _parsed(request, content), left_s))
            except Refusal as refusal:
                await _abort(context, refusal)

        return answered

    def _stream(self, call: str, request: Any, answer: Any) -> Any:
        """Requests of a stream are worked on together and answered in their order."""

        async def one(content: bytes, context: Any) -> Any:
            try:
                with self._service.watched(_PROTOCOL, call, _authorization(context)):
                    parsed = _parsed(request, content)
                    given = await _model_infer(self._service, parsed, context.time_remaining())
                    return answer(infer_response=given)
            except Refusal as refusal:
                return answer(error_message=str(refusal))

        async def answers(
            contents: AsyncIterator[bytes], context: Any
        ) -> AsyncGenerator[Any, None]:
            tasks: asyncio.Queue[asyncio.Task[Any] | None] = asyncio.Queue()
            room = asyncio.Semaphore(_MOST_IN_A_STREAM)

            async def read() -> None:
                try:
                    async for content in contents:
                        await room.acquire()
                        tasks.put_nowait(asyncio.create_task(one(content, context)))
                finally:
                    tasks.put_nowait(None)

            reader = asyncio.create_task(read())
            try:
                while task := await tasks.get():
                    yield await task
                    room.release()
                await reader  # whose error, if it had one, is the stream's
            finally:
                reader.cancel()
                while not tasks.empty():
                    if task := tasks.get_nowait():
                        task.cancel()

        async def answered(contents: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
            try:
                # Or whoever has no token could hold all streams there are.
                self._service.token.check(_authorization(context))
                with self._service.admission.stream():
                    async with aclosing(answers(contents, context)) as given:
                        async for one_answer in given:
                            yield one_answer
            except Refusal as refusal:
                await _abort(context, refusal)

        return answered


_Body = Callable[[Service, Any, float | None], Awaitable[dict[str, Any]]]
"""Fields of the answer to a request."""


async def _server_live(_service: Service, _request: Any, _left_s: float | None) -> dict[str, Any]:
    return {"live": True}


async def _server_ready(service: Service, _request: Any, _left_s: float | None) -> dict[str, Any]:
    return {"ready": service.is_ready}


async def _model_ready(service: Service, request: Any, _left_s: float | None) -> dict[str, Any]:
    service.model(request.name, request.version)
    return {"ready": service.is_ready}


async def _server_metadata(*_: Any) -> dict[str, Any]:
    return metadata()


async def _model_metadata(service: Service, request: Any, _left_s: float | None) -> dict[str, Any]:
    return about(service.model(request.name, request.version))


async def _model_infer(service: Service, request: Any, left_s: float | None) -> dict[str, Any]:
    with service.taken():
        return _response(await service.infer(_request(request), left_s))


async def _status(service: Service, request: Any, _left_s: float | None) -> dict[str, Any]:
    return {"regions": {one["name"]: one for one in service.regions.listed(request.name)}}


async def _register(service: Service, request: Any, _left_s: float | None) -> dict[str, Any]:
    service.regions.register(request.name, request.key, request.offset, request.byte_size)
    return {}


async def _unregister(service: Service, request: Any, _left_s: float | None) -> dict[str, Any]:
    service.regions.unregister(request.name)
    return {}


_CALLS: dict[str, _Body] = {
    "ServerLive": _server_live,
    "ServerReady": _server_ready,
    "ModelReady": _model_ready,
    "ServerMetadata": _server_metadata,
    "ModelMetadata": _model_metadata,
    "ModelInfer": _model_infer,
    "SystemSharedMemoryStatus": _status,
    "SystemSharedMemoryRegister": _register,
    "SystemSharedMemoryUnregister": _unregister,
}


async def _abort(context: Any, refusal: Refusal) -> None:
    await context.abort(grpc.StatusCode[refusal.kind.grpc_code], str(refusal))


def _authorization(context: Any) -> str | None:
    found = dict(context.invocation_metadata() or ()).get("authorization")
    return found.decode(errors="replace") if isinstance(found, bytes) else found


def _parsed(kind: Any, content: bytes) -> Any:
    try:
        return kind.FromString(content)
    except DecodeError as error:
        raise invalid(f"this is no {kind.DESCRIPTOR.name} of the protocol") from error


def _written(answer: Any) -> bytes:
    return answer.SerializeToString()  # type: ignore[no-any-return]


def _request(read: Any) -> InferRequest:
    raw = list(read.raw_input_contents)
    inputs = [_tensor(one, raw, has_raw=bool(read.raw_input_contents)) for one in read.inputs]
    if raw:
        raise invalid(f"raw_input_contents has {len(raw)} more entries than there are inputs")
    return InferRequest(
        read.model_name,
        read.model_version,
        read.id,
        _parameters(read.parameters),
        inputs,
        [Wanted(one.name, _parameters(one.parameters)) for one in read.outputs],
    )


def _tensor(read: Any, raw: list[bytes], *, has_raw: bool) -> Tensor:
    """An input; what it takes of ``raw`` is removed from it."""
    parameters, shape, content = _parameters(read.parameters), tuple(read.shape), b""
    if "shared_memory_region" not in parameters:
        if has_raw and (not raw or read.HasField("contents")):
            raise invalid(f"input {read.name!r}: one entry of raw_input_contents is expected")
        content = raw.pop(0) if has_raw else _contents(read)
    return Tensor(read.name, read.datatype, shape, content, parameters)


def _contents(read: Any) -> bytes:
    contents = read.contents
    is_bytes = read.datatype == "BYTES"
    values = contents.bytes_contents if is_bytes else contents.uint_contents
    return from_values(read.datatype, list(values)) if values else b""


def _parameters(read: Any) -> Parameters:
    found: Parameters = {}
    for name, value in read.items():
        choice = value.WhichOneof("parameter_choice")
        if choice is None:
            raise invalid(f"the parameter {name!r} has no value")
        found[name] = getattr(value, choice)
    return found


def _response(answer: InferResponse) -> dict[str, Any]:
    return {
        "model_name": answer.model,
        "model_version": answer.version,
        "id": answer.identifier,
        "outputs": [
            {
                "name": one.name,
                "datatype": one.datatype,
                "shape": one.shape,
                "parameters": {
                    name: {"string_param" if isinstance(value, str) else "int64_param": value}
                    for name, value in one.parameters.items()
                },
            }
            for one in answer.outputs
        ],
        # An entry an output, empty where that is in shared memory: clients count them.
        "raw_output_contents": [one.content for one in answer.outputs],
    }
