"""Who may ask, how much at once, and what a request that waits too long comes to."""

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import numpy as np
import pytest
from helpers.served_engine import (
    ServedEngine,
    client_module,
    images_input,
    patient_input,
    pixels_input,
)
from helpers.until import until
from tritonclient.utils import InferenceServerException

from bloodcell.server.limits import Admission, Limits, is_loopback
from bloodcell.server.refusals import Kind, Refusal

PIXELS = np.zeros((1, 32, 32, 3), np.uint8)
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for this machine, its key, and a token."""
    folder = tmp_path_factory.mktemp("keys")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "token").write_text(f"{TOKEN}\n", encoding="ascii")
    return folder


@pytest.fixture(scope="module")
def guarded(keys: Path, tiny: Path) -> Iterator[ServedEngine]:
    """A server with TLS, a token and small limits."""
    server = ServedEngine(
        *("--model", tiny, "--backend", "onnxruntime", "--token-file", keys / "token"),
        *("--tls-certificate", keys / "certificate.pem", "--tls-key", keys / "key.pem"),
        *("--max-request-bytes", "5000"),
    )
    yield server
    server.kill()


def shown() -> dict[str, str]:
    """The token; a new dictionary each time, for the client over HTTP adds to it."""
    return {"authorization": f"Bearer {TOKEN}"}


def grpc_client(server: ServedEngine, keys: Path) -> Any:
    return server.client("grpc", ssl=True, root_certificates=str(keys / "certificate.pem"))


def test_both_protocols_speak_tls_and_want_the_token(guarded: ServedEngine, keys: Path) -> None:
    over_grpc = grpc_client(guarded, keys)
    over_http = client_module("http").InferenceServerClient(
        f"localhost:{guarded.ports['http']}", ssl=True,
        ssl_options={"ca_certs": str(keys / "certificate.pem")},
    )  # fmt: skip
    for protocol, client in (("grpc", over_grpc), ("http", over_http)):
        asked = [pixels_input(protocol, PIXELS)]
        assert client.is_server_live()
        assert client.is_server_ready()
        for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
            for ask in (
                partial(client.infer, "tiny", asked),
                partial(client.get_model_metadata, "tiny"),
                client.unregister_system_shared_memory,
            ):
                with pytest.raises(InferenceServerException, match="token") as caught:
                    ask(headers=dict(wrong))
                assert caught.value.status() in ("StatusCode.UNAUTHENTICATED", "401")
        assert client.infer("tiny", asked, headers=shown()).as_numpy("status")[0] == b"scored"


def test_a_stream_wants_the_token_too(guarded: ServedEngine, keys: Path) -> None:
    for headers, says in (({}, "token"), (shown(), "None")):
        answers = SimpleQueue[Any]()
        client = grpc_client(guarded, keys)
        client.start_stream(
            lambda result, error, to=answers: to.put((result, error)[1]), headers=headers
        )
        # Without one the stream has ended, maybe before anything is asked in it.
        with suppress(InferenceServerException):
            client.async_stream_infer("tiny", [pixels_input("grpc", PIXELS)])
        assert says in str(answers.get(timeout=60))
        client.stop_stream()


def test_metrics_want_the_token_too(guarded: ServedEngine, keys: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(keys / "certificate.pem"))
    address = f"https://localhost:{guarded.ports['http']}/metrics"
    with pytest.raises(HTTPError, match="401"):
        urlopen(address, context=trusted, timeout=60)
    asked = Request(address, headers=shown())
    with urlopen(asked, context=trusted, timeout=60) as answer:
        assert b"bloodcell_requests_total" in answer.read()


def test_what_is_not_encrypted_is_not_answered(guarded: ServedEngine) -> None:
    for protocol, port in guarded.ports.items():
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            plain.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert plain.recv(100) == b"", protocol


def test_a_request_that_is_too_large_is_not_read(guarded: ServedEngine, keys: Path) -> None:
    over_http = client_module("http").InferenceServerClient(
        f"localhost:{guarded.ports['http']}", ssl=True,
        ssl_options={"ca_certs": str(keys / "certificate.pem")},
    )  # fmt: skip
    with pytest.raises(InferenceServerException, match="at most 5000 bytes") as caught:
        over_http.infer("tiny", [images_input("http", [bytes(6000)])], headers=shown())
    assert caught.value.status() == "413"
    squeezed = {"request_compression_algorithm": "gzip", "headers": shown()}
    with pytest.raises(InferenceServerException, match="at most 5000 bytes"):
        over_http.infer("tiny", [images_input("http", [bytes(10_000_000)])], **squeezed)
    large = [images_input("grpc", [bytes(100_000)])]
    for options in ({}, {"compression_algorithm": "gzip"}):
        with pytest.raises(InferenceServerException, match="larger than max") as caught:
            grpc_client(guarded, keys).infer("tiny", large, headers=shown(), **options)
        assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


def test_a_page_of_a_browser_is_not_answered(served: ServedEngine) -> None:
    for header in ("Origin", "Sec-Fetch-Site"):
        address = f"http://127.0.0.1:{served.ports['http']}/v2"
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(address, headers={header: "null"}), timeout=60)


@pytest.mark.parametrize(
    ("host", "is_answered"),
    [
        ("127.0.0.1", True), ("LOCALHOST:8000", True), ("localhost:", True),
        ("[::1]:8000", True), ("[::1]", True),
        ("evil.example", False), ("evil.example:8000", False), ("127.0.0.1.evil.example:1", False),
        ("", False), ("evil.example:127.0.0.1", False), ("\xfc", False),
    ],
)  # fmt: skip
def test_a_page_whose_name_was_made_to_lead_here_is_not_answered(
    served: ServedEngine, host: str, is_answered: bool
) -> None:
    with socket.create_connection(("127.0.0.1", served.ports["http"]), timeout=60) as client:
        request = f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        client.sendall(request.encode("latin-1"))
        answer = client.makefile("rb").read()
    status = b"200 OK" if is_answered else b"403 Forbidden"
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_cells_without_room_are_refused_whole(waiting: ServedEngine) -> None:
    client, answers = waiting.client("grpc"), SimpleQueue[Any]()
    one = [pixels_input("grpc", PIXELS)]
    four = [pixels_input("grpc", np.zeros((4, 32, 32, 3), np.uint8))]
    with pytest.raises(InferenceServerException, match="4 cells in a request: at most 3"):
        client.infer("tiny", four)
    held = client.async_infer(
        "tiny", one, callback=lambda result, error: answers.put((result, error)[1])
    )
    until(lambda: waiting.metrics()["bloodcell_cells_without_result"] == 1)
    three = [pixels_input("grpc", np.zeros((3, 32, 32, 3), np.uint8))]
    with pytest.raises(InferenceServerException, match="try again later") as caught:
        client.infer("tiny", three, parameters={"patient": "P"})
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
    with pytest.raises(InferenceServerException, match="'P' is unknown"):
        client.infer("patients", [patient_input("grpc", "P")])
    held.cancel()
    assert "cancelled" in str(answers.get(timeout=60)).lower()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_cell_that_waits_too_long_is_expired_and_not_counted(
    waiting: ServedEngine, protocol: str
) -> None:
    client = waiting.client(protocol)
    asked = [pixels_input(protocol, PIXELS)]
    result = client.infer("tiny", asked, timeout=50_000, parameters={"patient": "late"})
    assert result.as_numpy("status").tolist() == [b"expired"]
    late = [patient_input(protocol, "late")]
    assert b'"cells": 0' in client.infer("patients", late).as_numpy("statistics")[0]
    assert waiting.metrics()['bloodcell_cells_total{reason="",status="expired"}'] >= 1


def test_a_client_that_vanishes_takes_its_cells_with_it(waiting: ServedEngine) -> None:
    answers = SimpleQueue[Any]()
    over_grpc = waiting.client("grpc").async_infer(
        "tiny", [pixels_input("grpc", PIXELS)], callback=lambda *given, **_: answers.put(given)
    )
    until(lambda: waiting.metrics()["bloodcell_cells_without_result"] == 1)
    over_grpc.cancel()
    until(lambda: waiting.metrics()["bloodcell_cells_without_result"] == 0)
    body, length = client_module("http").InferenceServerClient.generate_request_body(
        [pixels_input("http", PIXELS)]
    )
    headers = {"Inference-Header-Content-Length": str(length)}
    with closing(HTTPConnection("127.0.0.1", waiting.ports["http"], timeout=60)) as over_http:
        over_http.request("POST", "/v2/models/tiny/infer", body, headers)
        until(lambda: waiting.metrics()["bloodcell_cells_without_result"] == 1)
    until(lambda: waiting.metrics()["bloodcell_cells_without_result"] == 0)
    found = waiting.metrics()
    given_up = 'bloodcell_requests_total{call="ModelInfer",code="CANCELLED",protocol="%s"}'
    assert all(found[given_up % protocol] for protocol in ("grpc", "http"))


def test_a_body_that_is_still_coming_counts_as_a_request(tiny: Path) -> None:
    options = ("--model", tiny, "--backend", "onnxruntime", "--max-requests", "1")
    with ServedEngine(*options) as server:
        client = server.client("grpc")

        def is_refused() -> bool:
            try:
                client.infer("tiny", [pixels_input("grpc", PIXELS)])
            except InferenceServerException as error:
                return "1 requests are not answered yet" in str(error)
            return False

        with socket.create_connection(("127.0.0.1", server.ports["http"]), timeout=60) as slow:
            slow.sendall(
                b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"
            )
            # It is said by the step that takes the request, so that this one is the first.
            assert slow.recv(100).startswith(b"HTTP/1.1 100 ")
            slow.sendall(b"{")
            assert is_refused()
        until(lambda: not is_refused())


def test_streams_that_are_open_shut_nobody_out(tiny: Path) -> None:
    options = ("--model", tiny, "--backend", "onnxruntime", "--max-requests", "1")
    streams, done = Limits(1, requests=1, cells=1, requests_per_s=None).streams, threading.Event()

    def asked() -> Iterator[bytes]:
        yield b""
        done.wait(60)

    with ServedEngine(*options) as server:
        client = server.client("grpc")
        with grpc.insecure_channel(f"127.0.0.1:{server.ports['grpc']}") as channel:
            opened = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
            calls = [opened(asked(), timeout=60) for _ in range(streams)]
            for call in calls:
                assert b"no model ''" in next(call), "it is open"
            assert client.is_server_live()
            result = client.infer("tiny", [pixels_input("grpc", PIXELS)])
            assert result.as_numpy("status").tolist() == [b"scored"]
            with pytest.raises(grpc.RpcError, match=f"{streams} streams are open") as caught:
                next(opened(asked(), timeout=60))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            calls[0].cancel()

            def is_open() -> bool:
                with suppress(grpc.RpcError):
                    return b"no model ''" in next(opened(asked(), timeout=60))
                return False

            until(is_open)
            done.set()


def test_requests_are_bounded_in_number_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        # By its clock the loop tells how fast they come; it waits for nothing here.
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 0.0)
        admission = Admission(Limits(1, requests=1, cells=1, requests_per_s=2.0))
        with admission.request(), pytest.raises(Refusal, match="1 requests are not answered") as at:
            admission.request().__enter__()
        assert at.value.kind is Kind.BUSY
        with admission.request():
            pass
        await admission.pace()
        await admission.pace()
        with pytest.raises(Refusal, match="more than 2 requests a second"):
            await admission.pace()
        slow = Admission(Limits(1, requests=1, cells=1, requests_per_s=0.1))
        await slow.pace()
        with pytest.raises(Refusal, match=r"more than 0\.1 requests a second"):
            await slow.pace()

    asyncio.run(run())


def test_addresses_that_this_machine_alone_reaches() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example", ""))
