"""A server begins ready or not at all, and ends in good order."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from helpers.live_cells import HeldLane, held_lanes
from helpers.served_engine import ServedEngine, client_module, patient_input, pixels_input
from helpers.until import until
from tritonclient.utils import InferenceServerException

from bloodcell.engine.decode import Decoder
from bloodcell.errors import EngineError
from bloodcell.live import engine as live_engine
from bloodcell.server import bodies, life
from bloodcell.server.life import Options, serve
from bloodcell.server.limits import Limits

PIXELS = np.zeros((1, 32, 32, 3), np.uint8)


def test_what_was_taken_is_answered_before_it_ends(tiny: Path) -> None:
    # All that is asked of it until it ends is asked while the cell waits for others.
    options = ("--model", tiny, "--backend", "torch", "--max-delay-ms", "15000")
    with ServedEngine(*options) as server:
        client, answers = server.client("grpc"), SimpleQueue[Any]()
        asked = [pixels_input("grpc", PIXELS)]
        client.async_infer(
            "tiny", asked, lambda result, error: answers.put((result, error)),
            parameters={"patient": "P"},
        )  # fmt: skip
        until(lambda: server.metrics()["bloodcell_cells_without_result"] == 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not is_ready(server))
        with pytest.raises(InferenceServerException) as caught:
            client.infer("tiny", asked)
        assert caught.value.status() == "StatusCode.UNAVAILABLE"
        result, error = answers.get(timeout=60)
        assert error is None
        assert result.as_numpy("status").tolist() == [b"scored"]
        status, out, said = server.result()
    assert (status, said) == (0, "")
    assert '"patients not finished": 1' in out


def is_ready(server: ServedEngine) -> bool:
    try:
        return bool(server.client("http").is_server_ready())
    except (OSError, HTTPException):  # which of both, says how far its end has come
        return False


def test_nothing_that_is_shown_names_a_patient_and_an_open_stream_holds_no_server(
    tiny: Path,
) -> None:
    with ServedEngine("--model", tiny, "--backend", "onnxruntime", "-v") as server:
        for protocol in ("grpc", "http"):
            client = server.client(protocol)
            asked = [pixels_input(protocol, PIXELS)]
            client.infer("tiny", asked, parameters={"patient": "Fernandez"})
            client.infer("patients", [patient_input(protocol, "Fernandez")])
            with pytest.raises(InferenceServerException, match="Okonkwo"):
                client.infer("patients", [patient_input(protocol, "Okonkwo")])
        with socket.create_connection(("127.0.0.1", server.ports["http"]), timeout=60) as raw:
            raw.sendall(b"Fernandez Okonkwo\r\n\r\n")
            assert raw.recv(1000)
        streaming, answers = server.client("grpc"), SimpleQueue[Any]()
        streaming.start_stream(lambda result, error: answers.put((result, error)))
        streaming.async_stream_infer(
            "tiny", [pixels_input("grpc", PIXELS)], parameters={"patient": "Fernandez"}
        )
        assert answers.get(timeout=60)[1] is None
        metrics = str(server.metrics())
        status, out, said = server.ended()
    assert status == 0
    assert 'code="INVALID"' in metrics
    for text in (metrics, out, said):
        assert "Fernandez" not in text
        assert "Okonkwo" not in text


def told(commands: list[tuple[str | Path, ...]]) -> list[tuple[int, str]]:
    """Status and standard error of a server with each of these options, side by side.

    In processes of their own, for a browser may have left an event loop running in this one.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "bloodcell", "serve", "--grpc-port", "0", "--http-port", "0",
             *map(str, options)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for options in commands
    ]  # fmt: skip
    return [(one.wait(), said) for one in started for said in one.communicate(timeout=120)[1:]]


STOPPED_EARLY = """
import os, sys
from bloodcell.terminal import as_command
with as_command():
    os.kill(os.getpid(), int(sys.argv.pop()))
    from bloodcell.cli import main
    main()
"""
"""As ``python -m bloodcell``, with a signal before all else is loaded."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_comes_while_everything_is_loaded_ends_it_in_good_order(
    tiny: Path, number: signal.Signals
) -> None:
    # The tests themselves may run under nohup.
    words = ["env", "--default-signal=HUP", sys.executable, "-c", STOPPED_EARLY, "serve", "--model"]
    words += [tiny, "--grpc-port", "0", "--http-port", "0", "--backend", "onnxruntime"]
    words.append(str(int(number)))
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "patients not finished" in done.stdout


def test_two_servers_do_not_share_a_port(served: ServedEngine) -> None:
    ports = {f"--{protocol}-port": str(port) for protocol, port in served.ports.items()}
    for option, (status, said) in zip(ports, told(list(ports.items())), strict=True):
        assert (status, f"choose another {option}" in said) == (1, True), said


def test_options_that_do_not_fit_are_told_in_a_line(tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_text("secret\n", encoding="ascii")
    long.write_text("x" * 32, encoding="ascii")
    expected: dict[tuple[str | Path, ...], str] = {
        ("--host", "0.0.0.0"): "--token-file is needed",
        ("--token-file", tmp_path / "none"): "cannot read the token",
        ("--token-file", short): "16 or more signs",
        ("--tls-key", short): "belong together",
        ("--tls-key", short, "--tls-certificate", short): "cannot use the certificate",
        ("--host", "192.0.2.1", "--token-file", long): "cannot listen",
        ("--model", tmp_path / "none"): "unknown model",
    }
    for says, (status, said) in zip(expected.values(), told(list(expected)), strict=True):
        assert (status, says in said, said.count("\n")) == (1, True, 1), said


@contextmanager
def serving_here(model: Path | str, max_delay_ms: float) -> Iterator[tuple[Any, str, Future[Any]]]:
    """A server in this process, so that its parts can be changed.

    A client over gRPC, the address for HTTP, and its end.
    """
    lines, stop = SimpleQueue[str](), threading.Event()
    options = Options(
        str(model), "onnxruntime", 1, "blood", "none", max_delay_ms, "127.0.0.1", 0, 0, None, None,
        None, Limits(10**6, 100, 100, None),
    )  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(serve, options, stop, lines.put)
        try:
            over_grpc, over_http = re.findall(r"127\.0\.0\.1:\d+", lines.get(timeout=60))
            client = client_module("grpc").InferenceServerClient(over_grpc)
            yield client, over_http, ended
        finally:
            stop.set()


def test_an_engine_that_fails_ends_the_server(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_here(tiny, max_delay_ms=0.0) as (client, _, ended):
        monkeypatch.setattr(Decoder, "decode_batch", fail)
        with pytest.raises(InferenceServerException, match="the GPU is lost") as caught:
            client.infer("tiny", [pixels_input("grpc", PIXELS)], client_timeout=60)
        assert caught.value.status() == "StatusCode.INTERNAL"
        until(ended.done)
    with pytest.raises(EngineError, match="the GPU is lost"):
        ended.result(timeout=60)
    assert EngineError.exit_status == 1


def test_patients_whose_end_waits_for_cells_hold_up_no_others(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = HeldLane()
    lane.go.set()
    monkeypatch.setattr(live_engine, "open_lanes", held_lanes(lane, batch_size=99, pass_cells=99))
    monkeypatch.setattr(life, "_LONGEST_DRAIN_S", 0.1)
    # More than the threads that an event loop has for whatever blocks.
    names = [str(number) for number in range(40)]
    cell = [pixels_input("grpc", PIXELS)]
    with serving_here(tiny, max_delay_ms=60_000.0) as (client, _, ended):

        def says(model: str, asked: list[Any], **more: Any) -> str:
            try:
                client.infer(model, asked, client_timeout=20, **more)
            except InferenceServerException as error:
                return str(error)
            return ""

        def snapshot(name: str) -> str:
            return says("patients", [patient_input("grpc", name)])

        def is_being_finished(name: str) -> bool:
            late = {"timeout": 1000, "parameters": {"patient": name}}
            return "being finished" in says("tiny", cell, **late)

        for name in names:
            client.async_infer("tiny", cell, ignored, parameters={"patient": name})
        for name in names:
            until(lambda name=name: snapshot(name) == "")
        for name in names:
            asked = [patient_input("grpc", name)]
            client.async_infer("patients", asked, ignored, parameters={"finish": True})
        for name in names:
            until(partial(is_being_finished, name))
        assert snapshot(names[0]) == ""
    with pytest.raises(EngineError, match="80 requests were not answered"):
        ended.result(timeout=60)


def test_cells_whose_client_has_gone_are_counted_as_they_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane = HeldLane()
    monkeypatch.setattr(live_engine, "open_lanes", held_lanes(lane, batch_size=1))
    model, cell = "jhu18-differential-160", [pixels_input("grpc", PIXELS)]
    with serving_here(model, max_delay_ms=0.0) as (client, address, ended):

        def shows(line: str) -> bool:
            with urlopen(f"http://{address}/metrics", timeout=60) as answer:
                return f"\n{line}\n".encode() in answer.read()

        begun = client.async_infer(model, cell, ignored, parameters={"patient": "P"})
        assert lane.taken.acquire(timeout=60)
        waits = client.async_infer(model, cell, ignored, parameters={"patient": "P"})
        until(lambda: shows("bloodcell_cells_without_result 2.0"))
        begun.cancel()
        waits.cancel()
        until(lambda: shows("bloodcell_cells_without_result 0.0"))
        lane.go.set()
        answer = client.infer(
            "patients", [patient_input("grpc", "P")], parameters={"finish": True}, client_timeout=60
        )
        assert b'"cells": 1,' in answer.as_numpy("statistics")[0]
        for status in ("scored", "cancelled"):
            assert shows(f'bloodcell_cells_total{{reason="",status="{status}"}} 1.0')
    assert ended.result(timeout=60)["cells"] == 2


def test_while_a_body_is_unpacked_others_are_answered(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def unpacked(*_: object) -> bytes:
        begun.set()
        assert go.wait(60)
        return b"{}"

    monkeypatch.setattr(bodies, "_unpacked", unpacked)
    with serving_here(tiny, max_delay_ms=0.0) as (_, address, _), ThreadPoolExecutor(1) as pool:

        def status(method: str, path: str, **more: Any) -> int:
            with closing(HTTPConnection(address, timeout=60)) as connection:
                connection.request(method, path, **more)
                return connection.getresponse().status

        packed = {"body": b"x", "headers": {"Content-Encoding": "gzip"}}
        answer = pool.submit(status, "POST", "/v2/models/tiny/infer", **packed)
        try:
            assert begun.wait(60)
            assert status("GET", "/v2/health/live") == 200
            assert not answer.done()
        finally:
            go.set()
        assert answer.result(60) == 400


def ignored(**_answer: object) -> None:
    pass


def fail(*_: object, **_named: object) -> None:
    raise EngineError("the GPU is lost")
