"""tritonclient, which no one here wrote, asks everything; what it gets is what `score` gives."""

import json
import os
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
import tritonclient.utils.shared_memory as memory
from helpers.served_engine import (
    ServedEngine,
    client_module,
    images_input,
    patient_input,
    pixels_input,
)
from PIL import Image

import bloodcell

BOTH = pytest.mark.parametrize("protocol", ["grpc", "http"])


def outputs(result: Any) -> dict[str, list[Any]]:
    names = ("status", "reason", "class", "blast_probability", "probabilities")
    values = {name: result.as_numpy(name).tolist() for name in names}
    for name in names[:3]:
        values[name] = [value.decode() or None for value in values[name]]
    return values


def expected(cells: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = ("status", "reason", "class", "blast_probability", "probabilities")
    return {name: [cell[name] for cell in cells] for name in names}


@BOTH
def test_health_and_metadata(served: ServedEngine, protocol: str) -> None:
    client = served.client(protocol)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("patients", "1")
    about = client.get_server_metadata(**({"as_json": True} if protocol == "grpc" else {}))
    assert (about["name"], about["version"]) == ("bloodcell", bloodcell.__version__)
    assert "system_shared_memory" in about["extensions"]
    model = client.get_model_metadata("tiny", **({"as_json": True} if protocol == "grpc" else {}))
    kinds = {
        one["name"]: (one["datatype"], [int(size) for size in one["shape"]])
        for one in (*model["inputs"], *model["outputs"])
    }
    assert kinds["image_bytes"] == ("BYTES", [-1])
    assert kinds["image"] == ("UINT8", [-1, -1, -1, 3])
    assert kinds["probabilities"] == ("FP32", [-1, 8])


@BOTH
def test_bytes_give_the_results_of_score_and_count_for_their_patient(
    served: ServedEngine, protocol: str, cells: list[dict[str, Any]], scored: bloodcell.Run
) -> None:
    client, names = served.client(protocol), served.client(protocol)
    for patient in {cell["patient"] for cell in cells}:
        own = [cell for cell in cells if cell["patient"] == patient]
        parameters = {"patient": f"{patient} by {protocol}", "row": own[0]["row"]}
        images = images_input(protocol, [cell["image"] for cell in own])
        result = client.infer("tiny", [images], parameters=parameters)
        assert outputs(result) == expected(own)
        assert result.as_numpy("row").tolist() == [cell["row"] for cell in own]
        (row,) = (one for one in scored.patients.to_pylist() if one["patient"] == patient)
        asked = [patient_input(protocol, parameters["patient"])]
        for finish in (False, True):
            result = names.infer("patients", asked, parameters={"finish": finish})
            counted = json.loads(result.as_numpy("statistics")[0])
            assert counted == row | {"patient": parameters["patient"]}


@BOTH
def test_a_request_without_a_patient_counts_for_none(
    served: ServedEngine, protocol: str, cells: list[dict[str, Any]]
) -> None:
    before = served.metrics()["bloodcell_open_patients"]
    result = served.client(protocol).infer("tiny", [images_input(protocol, [cells[0]["image"]])])
    assert outputs(result) == expected(cells[:1])
    assert served.metrics()["bloodcell_open_patients"] == before


@pytest.fixture(scope="session")
def pixels(smears: Path) -> np.ndarray:
    """Two decoded cells of one size."""
    paths = sorted((smears / "phantom-000").glob("*.bmp"))
    first = np.asarray(Image.open(paths[0]).convert("RGB"))
    return np.stack([first, first[::-1]])


@pytest.fixture(scope="session")
def of_pixels(pixels: np.ndarray, tiny: Path) -> dict[str, list[Any]]:
    """What ``Engine`` makes of them."""
    with bloodcell.Engine(tiny, backend="onnxruntime") as engine:
        done = [engine.submit(one, patient="P").result().as_row() for one in pixels]
    rows = [row | {"probabilities": row["probabilities"].tolist()} for row in done]
    return expected(rows)


@BOTH
def test_arrays_give_the_results_of_the_engine(
    served: ServedEngine, protocol: str, pixels: np.ndarray, of_pixels: dict[str, list[Any]]
) -> None:
    result = served.client(protocol).infer("tiny", [pixels_input(protocol, pixels)])
    assert outputs(result) == of_pixels


def test_json_alone_will_do(
    served: ServedEngine, pixels: np.ndarray, of_pixels: dict[str, list[Any]]
) -> None:
    module = client_module("http")
    tensor = module.InferInput("image", pixels.shape, "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=False)
    wanted = [module.InferRequestedOutput(name, binary_data=False) for name in of_pixels]
    result = served.client("http").infer("tiny", [tensor], outputs=wanted)
    found = {name: result.as_numpy(name) for name in of_pixels}
    assert found["class"].astype(str).tolist() == of_pixels["class"]
    assert found["probabilities"].tolist() == of_pixels["probabilities"]


@BOTH
def test_shared_memory_is_read_and_written(
    served: ServedEngine, protocol: str, pixels: np.ndarray, of_pixels: dict[str, list[Any]]
) -> None:
    client, module = served.client(protocol), client_module(protocol)
    size = pixels.nbytes + 64
    name = f"/bloodcell-test-{protocol}-{os.getpid()}"
    region = memory.create_shared_memory_region("cells", name, size)
    try:
        memory.set_shared_memory_region(region, [pixels])
        client.register_system_shared_memory("cells", name, size)
        status = client.get_system_shared_memory_status("cells")
        assert "cells" in str(status)
        tensor = module.InferInput("image", pixels.shape, "UINT8")
        tensor.set_shared_memory("cells", pixels.nbytes)
        there = module.InferRequestedOutput("probabilities")
        there.set_shared_memory("cells", 64, offset=pixels.nbytes)
        here = module.InferRequestedOutput("class")
        result = client.infer("tiny", [tensor], outputs=[there, here])
        written = memory.get_contents_as_numpy(
            region, np.float32, [2, 8], offset=pixels.nbytes
        ).tolist()
        assert written == of_pixels["probabilities"]
        assert [one.decode() for one in result.as_numpy("class")] == of_pixels["class"]
        client.unregister_system_shared_memory("cells")
        assert "cells" not in str(client.get_system_shared_memory_status())
    finally:
        memory.destroy_shared_memory_region(region)


def test_asynchronous_calls(served: ServedEngine, cells: list[dict[str, Any]]) -> None:
    over_http = served.client("http", concurrency=4)
    asked = [
        over_http.async_infer("tiny", [images_input("http", [cell["image"]])]) for cell in cells
    ]
    for cell, one in zip(cells, asked, strict=True):
        assert outputs(one.get_result()) == expected([cell])
    over_grpc, answers = served.client("grpc"), SimpleQueue[Any]()
    for number, cell in enumerate(cells):
        over_grpc.async_infer(
            "tiny", [images_input("grpc", [cell["image"]])], request_id=str(number),
            callback=lambda result, error: answers.put((result, error)),
        )  # fmt: skip
    for _ in cells:
        result, error = answers.get(timeout=60)
        assert error is None
        number = int(result.get_response().id)
        assert outputs(result) == expected(cells[number : number + 1])


def test_a_stream_answers_in_order_and_outlives_a_refusal(
    served: ServedEngine, cells: list[dict[str, Any]]
) -> None:
    client, answers = served.client("grpc"), SimpleQueue[Any]()
    client.start_stream(lambda result, error: answers.put((result, error)))
    # More than a stream may have unanswered.
    asked = [*cells, *cells]
    for place, cell in enumerate(asked):
        parameters = {"pateint": "P"} if place == 5 else {}
        images = [images_input("grpc", [cell["image"]])]
        client.async_stream_infer("tiny", images, parameters=parameters)
    for place, cell in enumerate(asked):
        result, error = answers.get(timeout=60)
        if place == 5:
            assert "has no parameter 'pateint'" in str(error)
        else:
            assert outputs(result) == expected([cell])
    client.stop_stream()


def test_many_threads_share_a_server(served: ServedEngine, cells: list[dict[str, Any]]) -> None:
    wrong: list[Any] = []

    def ask(protocol: str, own: list[dict[str, Any]]) -> None:
        client = served.client(protocol)
        for cell in own:
            result = client.infer("tiny", [images_input(protocol, [cell["image"]])])
            if outputs(result) != expected([cell]):
                wrong.append(cell["row"])

    threads = [
        threading.Thread(target=ask, args=(protocol, cells[first::8]))
        for first in range(8)
        for protocol in ("grpc", "http")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
