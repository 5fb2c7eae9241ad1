"""A server from its first moment to its last."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bloodcell.errors import EngineError, InputError
from bloodcell.live import Engine
from bloodcell.server.limits import Admission, Limits, Token, is_loopback
from bloodcell.server.over_grpc import GrpcServer
from bloodcell.server.over_http import HttpServer
from bloodcell.server.regions import Regions
from bloodcell.server.service import Service

_LONGEST_DRAIN_S = 30.0
"""How long requests that were taken may still take, once the server is asked to stop."""
_GRACE_S = 1.0
"""For answers on their way, and for streams that are open and idle."""
_LOOKS_EVERY_S = 0.1


@dataclass(frozen=True)
class Options:
    """What a server is asked for; see `bloodcell serve --help`."""

    model: str | None
    backend: str
    threads: int | None
    profile: Literal["blood", "marrow"]
    blast_equivalents: Literal["none", "aml", "apl"]
    max_delay_ms: float
    host: str
    grpc_port: int
    http_port: int
    tls_certificate: Path | None
    tls_key: Path | None
    token_file: Path | None
    limits: Limits


def serve(options: Options, stop: threading.Event, say: Callable[[str], None]) -> dict[str, Any]:
    """Serve until ``stop`` is set; returns how many requests were answered and cells scored.

    ``say`` gets a line once requests are taken. What was taken when it is stopped is answered.
    Raises InputError for options that do not fit, what ``Engine`` raises, and EngineError if the
    engine fails or requests had to be cut off.
    """
    return asyncio.run(_serve(options, stop, say))


async def _serve(
    options: Options, stop: threading.Event, say: Callable[[str], None]
) -> dict[str, Any]:
    service, context, keys = _opened(options)
    over_grpc = GrpcServer(service, options.host, options.grpc_port, keys)
    over_http = HttpServer(service, options.host, options.http_port, context)
    engine = None
    try:
        await over_http.start()
        await over_grpc.start()
        engine = await asyncio.to_thread(_engine, options)
        service.open(engine)
        say(
            f"serving {engine.model.name}: gRPC {options.host}:{over_grpc.port}, "
            f"HTTP {options.host}:{over_http.port}"
        )
        await _until_stopped(service, stop)
    finally:
        service.begin_to_stop()
        cut_off = await _drained(service)
        await over_grpc.stop(_GRACE_S)
        await over_http.stop()
        if engine is not None:
            await asyncio.to_thread(engine.close, cancel=True)
            service.patients.close()
        service.regions.unregister("")
    if service.error is not None:
        raise service.error
    if cut_off:
        raise EngineError(
            f"{cut_off} requests were not answered {_LONGEST_DRAIN_S:g} s after the server was "
            "asked to stop, and cut off"
        )
    return service.summary()


def _opened(options: Options) -> tuple[Service, ssl.SSLContext | None, tuple[bytes, bytes] | None]:
    """The service, and for TLS what HTTP and what gRPC takes."""
    is_local = is_loopback(options.host)
    if not is_local and options.token_file is None:
        raise InputError(
            f"--host {options.host} can be reached from other machines: --token-file is needed"
        )
    service = Service(
        Admission(options.limits), Token(options.token_file), Regions(is_open=is_local)
    )
    if options.tls_certificate is None or options.tls_key is None:
        if options.tls_certificate or options.tls_key:
            raise InputError("--tls-certificate and --tls-key belong together")
        return service, None, None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
        keys = options.tls_key.read_bytes(), options.tls_certificate.read_bytes()
    except OSError as error:  # an SSLError is one
        raise InputError(
            f"cannot use the certificate {options.tls_certificate} with the key "
            f"{options.tls_key}: {error}"
        ) from error
    return service, context, keys


def _engine(options: Options) -> Engine:
    return Engine(
        options.model,
        backend=options.backend,
        threads=options.threads,
        max_delay_ms=options.max_delay_ms,
        max_waiting=options.limits.cells,
        when_full="refuse",
        profile=options.profile,
        blast_equivalents=options.blast_equivalents,
    )


async def _until_stopped(service: Service, stop: threading.Event) -> None:
    # The system may hand a signal to another thread; this one runs its handler once awake.
    while not stop.is_set() and service.error is None:
        await asyncio.sleep(_LOOKS_EVERY_S)


async def _drained(service: Service) -> int:
    """Wait until all requests are answered; how many are not after the longest time."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + _LONGEST_DRAIN_S
    while service.admission.requests and service.error is None and loop.time() < end_s:
        await asyncio.sleep(_LOOKS_EVERY_S / 10)
    return service.admission.requests
