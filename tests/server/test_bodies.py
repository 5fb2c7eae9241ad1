"""What is written out in JSON is bounded, and a client that hangs up costs nobody anything."""

import base64
import gzip
import json
import re
import socket
import zlib
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from helpers.served_engine import ServedEngine, client_module, patient_input, pixels_input
from helpers.until import until
from tritonclient.utils import InferenceServerException

from bloodcell.server.json_requests import MOST_JSON_BYTES
from bloodcell.server.tensors import MOST_VALUES

PIXELS = np.zeros((1, 32, 32, 3), np.uint8)
HEADER = "Inference-Header-Content-Length"


def posted(
    server: ServedEngine, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status and content of an answer to a request to the model that scores."""
    with closing(HTTPConnection("127.0.0.1", server.ports["http"], timeout=60)) as connection:
        connection.request("POST", "/v2/models/tiny/infer", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def request(datatype: str, shape: list[int], data: list[Any], **more: Any) -> bytes:
    name = "image" if datatype == "UINT8" else "image_bytes"
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    return json.dumps({"inputs": [tensor], **more}).encode()


def test_json_that_would_stop_all_others_is_refused(served: ServedEngine) -> None:
    body = b"{" + b" " * (MOST_JSON_BYTES - 2) + b"}"
    assert posted(served, body)[0] != 413
    for headers in ({}, {HEADER: str(len(body) + 1)}):
        status, said = posted(served, body + b" ", headers)
        assert status == 413
        assert f"at most {MOST_JSON_BYTES} bytes" in said
        assert "send tensors in binary" in said


def test_values_one_by_one_are_bounded_over_grpc_too(served: ServedEngine) -> None:
    import grpc
    from tritonclient.grpc import service_pb2

    asked = service_pb2.ModelInferRequest(model_name="tiny")
    tensor = asked.inputs.add(name="image", datatype="UINT8", shape=[1, 1024, 1025, 1])
    tensor.contents.uint_contents.extend([0] * (MOST_VALUES + 1))
    with grpc.insecure_channel(f"127.0.0.1:{served.ports['grpc']}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError, match="send binary") as caught:
            call(asked.SerializeToString(), timeout=60)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "data", [["x" * 100_000, *[1] * 100_000], [1, "x"], [[1], [[2]]], [1.5], [True] * 768]
)
def test_what_are_no_values_is_refused_in_little_memory(
    served: ServedEngine, data: list[Any]
) -> None:
    assert posted(served, request("UINT8", [1, 16, 16, 3], data))[0] == 400


def test_more_cells_than_may_wait_are_not_taken_apart(served: ServedEngine) -> None:
    for count, content in ((10**6, bytes(4 * 10**6)), (2**62, bytes(8))):
        tensor = client_module("grpc").InferInput("image_bytes", [count], "BYTES")
        tensor._raw_content = content
        with pytest.raises(InferenceServerException, match=f"{count} cells in a request: at most"):
            served.client("grpc").infer("tiny", [tensor])


@pytest.mark.parametrize("is_base64", [False, True])
def test_images_as_text_are_refused_and_not_counted(
    served: ServedEngine, cells: list[dict[str, Any]], is_base64: bool
) -> None:
    image = cells[0]["image"]
    text = base64.b64encode(image).decode() if is_base64 else image.decode("latin-1")
    body = request("BYTES", [1], [text], parameters={"patient": "as text"})
    status, said = posted(served, body)
    assert status == 400
    assert "send them in binary behind the JSON" in said
    with pytest.raises(InferenceServerException, match="'as text' is unknown"):
        served.client("http").infer("patients", [patient_input("http", "as text")])


def test_an_output_is_asked_for_once(served: ServedEngine) -> None:
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3]}
    body = {"inputs": [tensor], "outputs": [{"name": "row"}, {"name": "row"}]}
    assert posted(served, json.dumps(body).encode()) == (
        400, '{"error": "an output is asked for twice"}',
    )  # fmt: skip


def test_timeouts_of_any_length_leave_those_of_others(waiting: ServedEngine) -> None:
    answers, client = SimpleQueue[Any](), waiting.client("grpc")
    asked = [pixels_input("grpc", PIXELS)]
    held = client.async_infer(
        "tiny", asked, lambda result, error: answers.put((result, error)[1]), timeout=2**63 - 1
    )
    until(lambda: waiting.metrics()["bloodcell_cells_without_result"] == 1)
    held.cancel()
    assert "cancelled" in str(answers.get(timeout=60)).lower()
    until(lambda: waiting.metrics()["bloodcell_cells_without_result"] == 0)
    result = client.infer("tiny", asked, timeout=50_000)
    assert result.as_numpy("status").tolist() == [b"expired"]
    pixels = PIXELS.ravel().tolist()
    for timeout in (2**63, 10**400):
        body = request("UINT8", [1, 32, 32, 3], pixels, parameters={"timeout": timeout})
        status, said = posted(waiting, body)
        assert (status, "timeout is a number of microseconds" in said) == (400, True)


def test_a_patient_whose_client_left_while_it_was_finished_is_not_open(
    waiting: ServedEngine,
) -> None:
    before, answers = waiting.metrics()["bloodcell_open_patients"], SimpleQueue[Any]()
    held = waiting.client("grpc").async_infer(
        "tiny", [pixels_input("grpc", PIXELS)], lambda result, error: answers.put((result, error)),
        parameters={"patient": "left"},
    )  # fmt: skip
    until(lambda: waiting.metrics()["bloodcell_open_patients"] == before + 1)
    body, length = client_module("http").InferenceServerClient.generate_request_body(
        [patient_input("http", "left")], parameters={"finish": True}
    )
    asked = [pixels_input("grpc", PIXELS)]

    def is_being_finished() -> bool:
        try:
            waiting.client("grpc").infer(
                "tiny", asked, timeout=1000, parameters={"patient": "left"}
            )
        except InferenceServerException as error:
            return "being finished" in str(error)
        return False

    assert not is_being_finished(), "a cell that comes before the end of its patient is no error"
    try:
        with closing(HTTPConnection("127.0.0.1", waiting.ports["http"], timeout=60)) as connection:
            connection.request("POST", "/v2/models/patients/infer", body, {HEADER: str(length)})
            until(is_being_finished)
    finally:
        held.cancel()
    answers.get(timeout=60)
    until(lambda: waiting.metrics()["bloodcell_open_patients"] == before)


def test_a_client_that_hangs_up_is_no_error_of_the_server(served: ServedEngine) -> None:
    """What the server says is looked at when it ends."""
    name = 'bloodcell_requests_total{call="ModelInfer",code="CANCELLED",protocol="http"}'
    before = served.metrics().get(name, 0)
    with socket.create_connection(("127.0.0.1", served.ports["http"]), timeout=60) as connection:
        connection.sendall(
            b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        )
    until(lambda: served.metrics().get(name, 0) == before + 1)


def test_a_body_that_unpacks_to_more_than_may_be_takes_no_more_memory(
    served: ServedEngine,
) -> None:
    def peak_kib() -> int:
        status = Path(f"/proc/{served.process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])

    packing = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)
    packed = b"".join(packing.compress(bytes(2**20)) for _ in range(400)) + packing.flush()
    before_kib = peak_kib()
    status, said = posted(served, packed, {"Content-Encoding": "gzip"})
    assert (status, "at most 67108864 bytes" in said) == (413, True)
    assert peak_kib() - before_kib < 3 * 64 * 1024


@pytest.mark.parametrize(
    ("encoding", "packed"), [("gzip", gzip.compress), ("Deflate", zlib.compress)]
)
def test_a_compressed_body_is_read_as_another(
    served: ServedEngine, encoding: str, packed: Callable[[bytes], bytes]
) -> None:
    body = packed(request("UINT8", [1, 16, 16, 3], [7] * 768))
    status, said = posted(served, body, {"Content-Encoding": encoding})
    assert (status, '"scored"' in said) == (200, True)
