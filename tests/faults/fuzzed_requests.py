"""Mutated and hostile requests to `bloodcell serve`: each is answered, none ends or fills it.

    python tests/faults/fuzzed_requests.py [REQUESTS]

REQUESTS: how many, 10,000 if not given; half over gRPC, half over HTTP. It prints how many came to
which answer, and the server's memory and open files before and after.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import grpc
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.served_engine import ServedEngine, client_module, images_input, pixels_input
from helpers.tiny_model import write_tiny_model

from bloodcell.phantom import write_phantoms
from bloodcell.server.protocol import SERVICE, message, methods

_WARM_UP = 2000
"""Requests before memory is looked at: libraries fill their pools first."""
_MOST_GROWTH = 30 * 2**20
"""Bytes by which memory may differ: what the allocator keeps of the largest images."""
_NUMBERS = (0, 1, -1, 3, 255, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 2**62)
_WORDS = (
    "", "image", "image_bytes", "tiny", "patients", "patient", "row", "timeout", "P" * 300,
    "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset", "../../etc/passwd",
    "/dev/shm", "BYTES", "UINT8", "FP32", "é\U0001f9ea", "binary_data_size", "\0",
)  # fmt: skip
_PATHS = (
    *["models/tiny/infer"] * 4, "models/patients/infer", "models/%2e%2e",
    "systemsharedmemory/region/%2fr/register", "systemsharedmemory/unregister",
)  # fmt: skip
_JSON = (None, True, 0, -1, 1e308, 2**70, "", "tiny", [], {}, [[1], 2], {"a": [1]}, "\ud800")


def flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 3, 30])):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def repeated(content: bytes, draw: random.Random) -> bytes:
    return content * draw.choice([2, 5])


def noise(_content: bytes, draw: random.Random) -> bytes:
    return draw.randbytes(draw.choice([0, 1, 10, 1000]))


def unchanged(content: bytes, _draw: random.Random) -> bytes:
    return content


_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped, cut, repeated, noise, unchanged, unchanged, unchanged,
)  # fmt: skip


def fields_of(draw: random.Random) -> dict[str, object]:
    """An infer request whose fields are what they should not be."""

    def parameters() -> dict[str, object]:
        kinds = ("int64_param", "string_param", "bool_param", "double_param", "uint64_param", None)
        found: dict[str, object] = {}
        for _ in range(draw.choice([0, 0, 1, 3])):
            kind = draw.choice(kinds)
            number = draw.choice(_NUMBERS)
            value = {
                "string_param": draw.choice(_WORDS), "bool_param": True, "double_param": 1e300,
                "uint64_param": abs(number),
            }.get(kind or "", number)  # fmt: skip
            found[draw.choice(_WORDS)] = {kind: value} if kind else {}
        return found

    def tensor() -> dict[str, object]:
        return {
            "name": draw.choice(_WORDS[:4]), "datatype": draw.choice(("BYTES", "UINT8", "FP32")),
            "shape": [draw.choice(_NUMBERS) for _ in range(draw.choice([0, 1, 1, 4, 4, 100]))],
            "parameters": parameters(),
            "contents": draw.choice(({}, {"uint_contents": [256]}, {"bytes_contents": [b""]})),
        }  # fmt: skip

    return {
        "model_name": draw.choice(("tiny", "tiny", "patients", *_WORDS)),
        "model_version": draw.choice(("", "", "0", "7")),
        "parameters": parameters(),
        "inputs": [tensor() for _ in range(draw.choice([0, 1, 1, 2]))],
        "outputs": [
            {"name": draw.choice(("class", "", "statistics")), "parameters": parameters()}
            for _ in range(draw.choice([0, 0, 1]))
        ],
        "raw_input_contents": [draw.randbytes(draw.choice([0, 4, 99])) for _ in range(2)][
            : draw.choice([0, 1, 2])
        ],
    }


def grpc_contents(images: list[bytes], draw: random.Random) -> Iterator[tuple[str, bytes]]:
    """Calls and messages without end."""
    infer, register = message("ModelInferRequest"), message("SystemSharedMemoryRegisterRequest")
    while True:
        good = infer(
            model_name="tiny",
            inputs=[{"name": "image_bytes", "datatype": "BYTES", "shape": [1]}],
            raw_input_contents=[images_input("grpc", [draw.choice(images)])._get_content()],
        ).SerializeToString()
        odd = infer(**fields_of(draw)).SerializeToString()
        region = register(
            name=draw.choice(_WORDS), key=draw.choice(_WORDS), offset=abs(draw.choice(_NUMBERS)),
            byte_size=abs(draw.choice(_NUMBERS)),
        ).SerializeToString()  # fmt: skip
        call = draw.choice(("ModelInfer", "ModelInfer", *(one.name for one in methods())))
        content = draw.choice((good, odd, odd, region))
        yield call, draw.choice(_MUTATIONS)(content, draw)


def over_grpc(server: ServedEngine, images: list[bytes], count: int, seed: int) -> Counter[str]:
    draw, ends = random.Random(seed), Counter[str]()
    with grpc.insecure_channel(f"127.0.0.1:{server.ports['grpc']}") as channel:
        for (call, content), _ in zip(grpc_contents(images, draw), range(count), strict=False):
            path = f"/{SERVICE}/{call}"
            try:
                if call == "ModelStreamInfer":
                    list(channel.stream_stream(path)(iter([content] * 3), timeout=60))
                else:
                    channel.unary_unary(path)(content, timeout=60)
                ends["grpc OK"] += 1
            except grpc.RpcError as error:
                ends[f"grpc {error.code().name}"] += 1
    return ends


def json_of(draw: random.Random) -> dict[str, object]:
    """A request in JSON with entries that it should not have."""
    tensor: dict[str, object] = {
        "name": draw.choice(_WORDS[:4]), "datatype": draw.choice(("BYTES", "UINT8")),
        "shape": [draw.choice(_NUMBERS) for _ in range(draw.choice([1, 4]))],
        "data": [draw.choice(_JSON)],
    }  # fmt: skip
    request: dict[str, object] = {"inputs": [tensor], "parameters": {"patient": "P"}}
    for entry in (tensor, request):
        if draw.random() < 0.5:
            entry[draw.choice((*entry, "parameters", "outputs", "id"))] = draw.choice(_JSON)
    return request


def over_http(server: ServedEngine, images: list[bytes], count: int, seed: int) -> Counter[str]:
    draw, ends = random.Random(seed), Counter[str]()
    client = client_module("http").InferenceServerClient
    pixels = pixels_input("http", np.zeros((1, 20, 20, 3), np.uint8))
    for _ in range(count):
        image = images_input("http", [draw.choice(images)])
        body, length = client.generate_request_body([draw.choice((image, pixels))])
        if draw.random() < 0.6:
            body, length = json.dumps(json_of(draw)).encode(), None
        headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
        if draw.random() < 0.1:
            headers[draw.choice(("Inference-Header-Content-Length", "Content-Encoding"))] = (
                draw.choice(("gzip", "deflate", "-1", "9" * 30, "1"))
            )
        path = draw.choice(_PATHS)
        ends[one_over_http(server, path, draw.choice(_MUTATIONS)(body, draw), headers, draw)] += 1
    return ends


def one_over_http(
    server: ServedEngine, path: str, body: bytes, headers: dict[str, str], draw: random.Random
) -> str:
    if draw.random() < 0.05:
        with socket.create_connection(("127.0.0.1", server.ports["http"]), timeout=60) as raw:
            raw.sendall(b"POST /v2/" + body[:5000])  # and go away
        return "http gone"
    connection = HTTPConnection("127.0.0.1", server.ports["http"], timeout=60)
    try:
        connection.request(
            draw.choice(("POST", "POST", "POST", "GET")), f"/v2/{path}", body, headers
        )
        answer = connection.getresponse()
        answer.read()
    except (HTTPException, ConnectionError):
        return "http closed"
    finally:
        connection.close()
    return f"http {answer.status}"


def size_of(server: ServedEngine) -> tuple[int, int]:
    """Resident bytes, and how many files are open."""
    process = Path(f"/proc/{server.process.pid}")
    pages = int((process / "statm").read_text().split()[1])
    return pages * 4096, len(list((process / "fd").iterdir()))


def fuzz(server: ServedEngine, images: list[bytes], count: int, seed: int) -> Counter[str]:
    """``count`` requests; then one that is good has the answer that it had before."""
    client, good = server.client("grpc"), [images_input("grpc", images[:1])]
    before = client.infer("tiny", good).as_numpy("probabilities")
    ends = over_grpc(server, images, count // 2, seed) + over_http(
        server, images, count - count // 2, seed
    )
    assert ends.total() == count
    assert client.infer("tiny", good).as_numpy("probabilities").tolist() == before.tolist()
    found = server.metrics()
    assert found["bloodcell_cells_without_result"] == 0
    assert not any('code="FAILED"' in name for name in found), found
    return ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", type=int, nargs="?", default=10_000, metavar="REQUESTS")
    count = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as folder:
        model = write_tiny_model(Path(folder) / "tiny", "pbc8")
        write_phantoms(Path(folder) / "cells", patients=1, cells=24, image_format="mixed", seed=5)
        images = [path.read_bytes() for path in sorted(Path(folder).glob("cells/*/*"))]
        server = ServedEngine("--model", model, "--backend", "onnxruntime")
        try:
            fuzz(server, images, _WARM_UP, seed=0)
            before = size_of(server)
            ends = fuzz(server, images, count, seed=1)
            after = size_of(server)
        finally:
            status, _, said = server.ended()
    print(f"{count} requests: {dict(ends.most_common())}")
    print(f"resident bytes {before[0]} -> {after[0]}, open files {before[1]} -> {after[1]}")
    assert status == 0
    assert "Traceback" not in said
    assert after[0] - before[0] < _MOST_GROWTH
    assert after[1] <= before[1]


if __name__ == "__main__":
    main()
