"""What a request must not be: it is refused in a sentence, and the next one is answered."""

import gzip
import json
import math
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from helpers.served_engine import (
    ServedEngine,
    client_module,
    images_input,
    patient_input,
    pixels_input,
)
from tritonclient.utils import InferenceServerException

BOTH = pytest.mark.parametrize("protocol", ["grpc", "http"])
PIXELS = np.zeros((1, 32, 32, 3), np.uint8)
REFUSED = {
    "INVALID_ARGUMENT": "400",
    "NOT_FOUND": "404",
    "RESOURCE_EXHAUSTED": "413",
}
"""Status codes of gRPC, and of HTTP for the same."""


def refused(ask: Any, protocol: str, code: str, says: str) -> None:
    with pytest.raises(InferenceServerException, match=says) as caught:
        ask()
    assert (caught.value.status() or "").endswith(code if protocol == "grpc" else REFUSED[code])


@BOTH
@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"pateint": "P"}, "no parameter 'pateint'"),
        ({"patient": ""}, "1 to 256 signs"),
        ({"patient": "P" * 257}, "1 to 256 signs, 257 given"),
        ({"patient": 7}, "patient is a name, 7 given"),
        ({"row": 3}, "the parameter patient is missing"),
        ({"patient": "P", "row": -1}, "row is the number of the first cell"),
        ({"patient": "P", "row": True}, "row is the number of the first cell"),
        ({"finish": True}, "no parameter 'finish'"),
    ],
)
def test_parameters(
    served: ServedEngine, protocol: str, parameters: dict[str, Any], says: str
) -> None:
    client = served.client(protocol)
    asked = [pixels_input(protocol, PIXELS)]
    refused(
        lambda: client.infer("tiny", asked, parameters=parameters),
        protocol, "INVALID_ARGUMENT", says,
    )  # fmt: skip


@BOTH
def test_models_inputs_and_outputs_that_are_not_there(served: ServedEngine, protocol: str) -> None:
    client, module = served.client(protocol), client_module(protocol)
    asked = [pixels_input(protocol, PIXELS)]
    refused(lambda: client.infer("tni", asked), protocol, "NOT_FOUND", "tiny 0, patients 1 are")
    refused(
        lambda: client.infer("tiny", asked, model_version="7"), protocol, "NOT_FOUND", "version '7'"
    )
    for inputs, says in (
        ([patient_input(protocol, "P")], "has none of that name"),
        ([*asked, *asked], "is there twice"),
        ([*asked, images_input(protocol, [b""])], "one of the inputs"),
        ([], "one of the inputs"),
    ):
        refused(
            lambda given=inputs: client.infer("tiny", given), protocol, "INVALID_ARGUMENT", says
        )
    for output, says in (
        (module.InferRequestedOutput("classes"), "no output 'classes'"),
        (module.InferRequestedOutput("class", class_count=2), "classes by rank"),
    ):
        refused(
            lambda one=output: client.infer("tiny", asked, outputs=[one]),
            protocol, "INVALID_ARGUMENT", says,
        )  # fmt: skip


@BOTH
@pytest.mark.parametrize(
    ("name", "datatype", "shape", "content", "says"),
    [
        ("image", "FP32", [1, 2, 2, 3], bytes(48), "UINT8 expected, FP32 given"),
        ("image", "UINT8", [32, 32, 3], bytes(3072), r"\[-1, -1, -1, 3\] is expected"),
        ("image", "UINT8", [1, 32, 32, 4], bytes(4096), r"\[1, 32, 32, 4\] given"),
        ("image", "UINT8", [0, 32, 32, 3], b"", r"\[0, 32, 32, 3\] given"),
        ("image", "UINT8", [-1, 32, 32, 3], bytes(3072), r"\[-1, 32, 32, 3\] given"),
        ("image", "UINT8", [1, 32, 32, 3], bytes(3071), "3072 bytes are expected"),
        ("image", "UINT8", [1, 2**40, 2**20, 3], bytes(9), "bytes are expected"),
        ("image_bytes", "BYTES", [1], b"", "1 elements are expected"),
        ("image_bytes", "BYTES", [1], b"\xff\xff\xff\xff", "1 elements are expected"),
        ("image_bytes", "BYTES", [2], bytes(4), "2 elements are expected"),
        ("image_bytes", "BYTES", [1], bytes(8), "and nothing else; 8 bytes given"),
    ],
)
def test_tensors(
    served: ServedEngine, protocol: str,
    name: str, datatype: str, shape: list[int], content: bytes, says: str,
) -> None:  # fmt: skip
    tensor = client_module(protocol).InferInput(name, shape, datatype)
    if protocol == "grpc":
        tensor._raw_content = content
    else:
        tensor._raw_data = content
        tensor._parameters["binary_data_size"] = len(content)
    client = served.client(protocol)
    refused(lambda: client.infer("tiny", [tensor]), protocol, "INVALID_ARGUMENT", says)


@BOTH
def test_a_bad_image_costs_its_own_cell_alone(
    served: ServedEngine, protocol: str, cells: list[dict[str, Any]]
) -> None:
    images = [cells[0]["image"], b"", b"no image", cells[0]["image"][:300], cells[1]["image"]]
    result = served.client(protocol).infer("tiny", [images_input(protocol, images)])
    assert result.as_numpy("status").astype(str).tolist() == ["scored", *["rejected"] * 3, "scored"]
    reasons = result.as_numpy("reason").astype(str).tolist()
    assert reasons[:3] == ["", "empty", "not_an_image"]
    assert result.as_numpy("probabilities")[4].tolist() == cells[1]["probabilities"]
    assert all(math.isnan(one) for one in result.as_numpy("blast_probability")[1:4])


@BOTH
def test_patients_that_are_unknown_or_finished(served: ServedEngine, protocol: str) -> None:
    client = served.client(protocol)
    name = f"finished by {protocol}"

    def finish(patient: str) -> Any:
        asked = [patient_input(protocol, patient)]
        return client.infer("patients", asked, parameters={"finish": True})

    refused(lambda: finish("nobody"), protocol, "INVALID_ARGUMENT", "'nobody' is unknown")
    asked = [pixels_input(protocol, PIXELS)]
    client.infer("tiny", asked, parameters={"patient": name})
    assert json.loads(finish(name).as_numpy("statistics")[0])["cells"] == 1
    refused(lambda: finish(name), protocol, "INVALID_ARGUMENT", "is finished")
    refused(
        lambda: client.infer("tiny", asked, parameters={"patient": name}),
        protocol, "INVALID_ARGUMENT", "is finished",
    )  # fmt: skip


@BOTH
@pytest.mark.parametrize("sign", ["P", "\u00fc", "\U0001f9eb"])
def test_names_without_end(served: ServedEngine, protocol: str, sign: str) -> None:
    client, name = served.client(protocol), sign * 30_000
    asked = [pixels_input(protocol, PIXELS)]
    refused(
        lambda: client.infer("patients", [patient_input(protocol, name)]),
        protocol, "INVALID_ARGUMENT", "1 to 256 signs, 30000 given",
    )  # fmt: skip
    refused(
        lambda: client.infer("tiny", asked, parameters={name: 1}),
        protocol, "INVALID_ARGUMENT", r"no parameter 'P?.* \.\.\. .*'; it has patient",
    )  # fmt: skip
    if protocol == "grpc":  # over HTTP it is in the path, of which 8 KB are read
        refused(
            lambda: client.infer("tiny", asked, model_version=name),
            protocol, "NOT_FOUND", r"no model 'tiny'.* \.\.\. .*patients 1 are",
        )  # fmt: skip


@BOTH
def test_regions_of_shared_memory(served: ServedEngine, protocol: str) -> None:
    client, module = served.client(protocol), client_module(protocol)
    for key in ("../etc/passwd", "/../etc/passwd", "..", "a/b", "", "nothing-of-this-name"):
        refused(
            lambda given=key: client.register_system_shared_memory("r", given, 64),
            protocol, "INVALID_ARGUMENT", "key of shared memory|cannot be opened",
        )  # fmt: skip
    tensor = module.InferInput("image", [1, 32, 32, 3], "UINT8")
    tensor.set_shared_memory("nowhere", 3072)
    refused(lambda: client.infer("tiny", [tensor]), protocol, "NOT_FOUND", "'nowhere'")
    client.unregister_system_shared_memory("nowhere")


def test_bodies_that_are_no_request(served: ServedEngine) -> None:
    import http.client

    cases: list[tuple[bytes, dict[str, str], str]] = [
        (b"", {}, "this is no JSON"),
        (b"[" * 100_000, {}, "this is no JSON"),
        (b"[]", {}, "is an object of JSON"),
        (b'{"inputs": 3}', {}, "inputs is a list"),
        (b'{"inputs": [3]}', {}, "a tensor is an object"),
        (b'{"inputs": [{"name": "image"}]}', {}, "datatype is a string"),
        (b'{"parameters": {"patient": ["P"]}}', {}, "the parameter 'patient'"),
        (b'{"id": 7}', {}, "id is a string"),
        (b"{}behind", {"Inference-Header-Content-Length": "2"}, "6 bytes follow"),
        (b"{}", {"Inference-Header-Content-Length": "3"}, "the body has 2 bytes"),
        (b"{}", {"Inference-Header-Content-Length": "-1"}, "is the number of bytes"),
        (b"{}", {"Inference-Header-Content-Length": "9" * 5000}, "is the number of bytes"),
        (b"{}", {"Content-Encoding": "gzip"}, "the body is not what its headers say"),
        (gzip.compress(b"{}")[:-1], {"Content-Encoding": "gzip"}, "not what its headers say"),
        (gzip.compress(b"{}") + b"{}", {"Content-Encoding": "gzip"}, "not what its headers say"),
        (b"{}", {"Content-Encoding": "foo"}, "is one of gzip, deflate, 'foo' given"),
        (
            b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1], "data": [[1], 2]}]}',
            {}, "data are values",
        ),
        (
            b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1], "data": [256]}]}',
            {}, "0 to 255",
        ),
    ]  # fmt: skip
    for body, headers, says in cases:
        opened = http.client.HTTPConnection("127.0.0.1", served.ports["http"], timeout=60)
        with closing(opened) as connection:
            connection.request("POST", "/v2/models/tiny/infer", body, headers)
            answer = connection.getresponse()
            assert (answer.status, says in answer.read().decode()) == (400, True), (body[:60], says)


def test_messages_that_are_no_request(served: ServedEngine) -> None:
    import grpc

    address = f"127.0.0.1:{served.ports['grpc']}"
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\xff\xff\xff", timeout=60)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "no ModelInferRequest of the protocol" in caught.value.details()
        unknown = channel.unary_unary("/inference.GRPCInferenceService/ModelConfig")
        with pytest.raises(grpc.RpcError) as caught:
            unknown(b"", timeout=60)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
