"""Outputs in shared memory: room is looked for first, and what is refused has changed nothing."""

import json
import os
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
import pytest
from helpers.served_engine import ServedEngine, client_module, patient_input, pixels_input
from tritonclient.utils import InferenceServerException

from bloodcell._core import REASONS
from bloodcell.server.messages import OutputKind, Tensor, Wanted
from bloodcell.server.placed import check_places, put
from bloodcell.server.refusals import Refusal
from bloodcell.server.regions import Regions

BOTH = pytest.mark.parametrize("protocol", ["grpc", "http"])
PIXELS = np.zeros((2, 32, 32, 3), np.uint8)
ROOM_FOR_A_ROW = 4096 + 64 * 8
"""Of a model of eight classes, as docs/serving.md has it."""
LONGEST = {"status": 8, "reason": max(map(len, REASONS)), "class": len("erythroblast")}


@pytest.fixture
def region(served: ServedEngine) -> Iterator[SharedMemory]:
    """10,000 bytes that the server knows as ``r``."""
    memory = SharedMemory(create=True, size=10_000)
    client = served.client("grpc")
    client.register_system_shared_memory("r", memory.name, 10_000)
    yield memory
    client.unregister_system_shared_memory("r")
    memory.close()
    memory.unlink()


def output(protocol: str, name: str, region: str, byte_size: int, offset: int = 0) -> Any:
    wanted = client_module(protocol).InferRequestedOutput(name)
    wanted.set_shared_memory(region, byte_size, offset=offset)
    return wanted


def counted(client: Any, protocol: str, patient: str) -> str:
    """What is counted of a patient, or why nothing is."""
    try:
        answer = client.infer("patients", [patient_input(protocol, patient)])
    except InferenceServerException as error:
        return str(error)
    return f"{json.loads(answer.as_numpy('statistics')[0])['cells']} cells"


@BOTH
@pytest.mark.usefixtures("region")
def test_cells_whose_outputs_find_no_room_are_not_counted(
    served: ServedEngine, protocol: str
) -> None:
    client, name = served.client(protocol), f"no room over {protocol}"
    for place, says in (
        (("class", "nowhere", 100), "'nowhere'"),
        (("class", "r", 1), "are too few"),
        (("class", "r", 100, 20_000), "do not lie in"),
        (("class", "r", 2 * (4 + LONGEST["class"]) - 1), "are too few"),
        (("status", "r", 2 * (4 + LONGEST["status"]) - 1), "are too few"),
        (("reason", "r", 2 * (4 + LONGEST["reason"]) - 1), "are too few"),
        (("row", "r", 15), "are too few"),
        (("blast_probability", "r", 7), "are too few"),
        (("probabilities", "r", 63), "are too few"),
        (("class_names", "r", 50), "are too few"),
    ):
        with pytest.raises(InferenceServerException, match=says):
            client.infer(
                "tiny", [pixels_input(protocol, PIXELS)], parameters={"patient": name},
                outputs=[output(protocol, *place)],
            )  # fmt: skip
    assert "is unknown" in counted(client, protocol, name)


@BOTH
def test_a_patient_whose_row_finds_no_room_is_not_finished(
    served: ServedEngine, protocol: str, region: SharedMemory
) -> None:
    client, name = served.client(protocol), "\1" * 252 + protocol  # as long as may be, in JSON
    asked = [patient_input(protocol, name)]
    client.infer("tiny", [pixels_input(protocol, PIXELS)], parameters={"patient": name})

    def finish(place: str, byte_size: int) -> Any:
        wanted = [output(protocol, "statistics", place, byte_size)]
        return client.infer("patients", asked, parameters={"finish": True}, outputs=wanted)

    for place, byte_size in (("nowhere", 10_000), ("r", ROOM_FOR_A_ROW - 1), ("r", 10_001)):
        with pytest.raises(InferenceServerException):
            finish(place, byte_size)
    assert counted(client, protocol, name) == "2 cells"
    assert finish("r", ROOM_FOR_A_ROW).get_output("statistics")
    size = int.from_bytes(region.buf[:4], "little")
    assert json.loads(bytes(region.buf[4 : 4 + size]))["patient"] == name


@pytest.mark.usefixtures("region")
def test_every_output_fits_where_it_was_found_to(served: ServedEngine) -> None:
    client = served.client("http")
    sizes = {name: 2 * (4 + longest) for name, longest in LONGEST.items()}
    sizes |= {"row": 16, "blast_probability": 8, "probabilities": 64}
    wanted = [output("http", name, "r", size) for name, size in sizes.items()]
    answer = client.infer("tiny", [pixels_input("http", PIXELS)], outputs=wanted)
    assert all("data" not in answer.get_output(name) for name in sizes)


def test_what_has_gone_while_the_model_acted_costs_no_output() -> None:
    memory, regions = SharedMemory(create=True, size=100), Regions(is_open=True)
    kind, given = OutputKind("row", "INT64", (-1,), 8), Tensor("row", "INT64", (2,), bytes(16))
    wanted = Wanted("row", {"shared_memory_region": "r", "shared_memory_byte_size": 16})
    try:
        regions.register("r", memory.name, 0, 100)
        check_places([wanted], (kind,), regions, count=2)
        assert put(given, wanted, regions).content == b""
        os.truncate(f"/dev/shm/{memory.name}", 10)
        with pytest.raises(Refusal, match="is smaller than that"):
            check_places([wanted], (kind,), regions, count=2)
        assert put(given, wanted, regions) == given
        regions.unregister("r")
        assert put(given, wanted, regions) == given
    finally:
        regions.unregister("")
        memory.close()
        memory.unlink()
