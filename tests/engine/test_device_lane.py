"""A GPU's lane with what can be had without one: the real CPU decoder and a pretended device.

``pretended_gpu`` stands in for CUDA; what is marked ``gpu`` runs on a real one.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
from helpers import fake_gpu
from helpers.device_decoders import (
    BATCH,
    PREPROCESSING,
    SIDE,
    device_decoder,
    gpu_that_refuses,
    is_jpeg,
    resizing_gpu,
)
from helpers.tiny_onnx import CLASSES, tiny_onnx

import bloodcell
from bloodcell._core import REASONS
from bloodcell.engine import device_decode
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import PENDING, Choice, Network, Part
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend
from bloodcell.engine.batches import EncodedBatch, ScoreBatch, joined_scores
from bloodcell.engine.decode import Decoder, Graph
from bloodcell.engine.device_decode import DeviceDecoder
from bloodcell.engine.device_lane import DeviceLane
from bloodcell.engine.jpeg_decoders import decoder_count, told
from bloodcell.engine.lanes import HostLane, Lane, device_lanes
from bloodcell.engine.rewriting import encoded_images
from bloodcell.engine.setup import Setup
from bloodcell.engine.source import batches_of, read_files
from bloodcell.engine.stream import score_stream
from bloodcell.errors import EngineError
from bloodcell.model import load_model


def encoded_batches(smears: Path, run: bloodcell.Run) -> list[EncodedBatch]:
    return list(read_files(smears, batches_of(run.cells(["row", "path"]), BATCH)))


def by_row(batches: list[ScoreBatch]) -> list[ScoreBatch]:
    return sorted(batches, key=lambda batch: int(batch.rows[0]))


def test_those_decoded_on_a_gpu_are_held_against_the_networks_smears(
    smears: Path, run: bloodcell.Run
) -> None:
    known = load_model().smears
    host = Decoder(PREPROCESSING, batch_size=BATCH, threads=1, smears=known)
    decoder = DeviceDecoder(gpu_that_refuses(lambda _image: False), host, resizing_gpu(host))
    batch = encoded_batches(smears, run)[0]
    assert decoder.decode_batch(batch).smears == known
    stained = decoder.decode_batch(batch).stained()
    np.testing.assert_array_equal(stained, host.decode_batch(batch).stained)
    plain = Decoder(PREPROCESSING, batch_size=BATCH, threads=1).decode_batch(batch)
    assert stained.sum() < plain.stained.sum()


@pytest.mark.parametrize("every", [1, 2, 3, 1000])
def test_every_image_comes_to_its_place_whoever_decodes_it(
    smears: Path, run: bloodcell.Run, every: int
) -> None:
    host = Decoder(PREPROCESSING, batch_size=BATCH, threads=1)
    decoder = device_decoder(lambda image: len(image) % every == 0)
    kinds = set()
    for batch in encoded_batches(smears, run):
        expected, decoded = host.decode_batch(batch), decoder.decode_batch(batch)
        np.testing.assert_array_equal(decoded.reasons, expected.reasons)
        np.testing.assert_array_equal(decoded.stained(), expected.stained)
        assert sorted(np.concatenate([part.places for part in decoded.parts])) == list(
            range(len(expected.pixels))
        )
        for part in decoded.parts:
            kinds.add(type(part.pixels))
            np.testing.assert_array_equal(np.asarray(part.pixels), expected.pixels[part.places])
    # Drawn smears have every format; a GPU that refuses all JPEGs decodes nothing.
    assert kinds == ({np.ndarray} if every == 1 else {np.ndarray, fake_gpu.Array})


def test_a_jpeg_that_neither_takes_is_corrupt_and_alone(smears: Path, run: bloodcell.Run) -> None:
    (batch,) = encoded_batches(smears, run)[:1]
    jpeg = next(
        i for i in range(BATCH)
        if is_jpeg(batch.buffer[batch.offsets[i] :]) and batch.reasons[i] == 0
    )  # fmt: skip
    # Behind the first marker, which is all that tells a decoder from the next one.
    batch.buffer[batch.offsets[jpeg] + 2 : batch.offsets[jpeg + 1]] = 0
    decoded = device_decoder(lambda _image: False).decode_batch(batch)
    np.testing.assert_array_equal(np.flatnonzero(decoded.reasons), [jpeg])
    assert decoded.reasons[jpeg] == REASONS.index("corrupt")
    places = sorted(np.concatenate([part.places for part in decoded.parts]).tolist())
    assert places == list(range(BATCH - 1))


@pytest.mark.usefixtures("pretended_gpu")
def test_the_same_loop_scores_on_a_device_as_on_the_cpu(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(SIDE))
    network = Network(tmp_path / "model.onnx", SIDE, CLASSES, 1.0)
    device = DeviceLane(
        device_decoder(lambda image: len(image) % 2 == 0),
        TensorRTBackend(network, PlanOptions(BATCH, precision="float32")),
    )
    host = HostLane(
        Decoder(PREPROCESSING, batch_size=BATCH, threads=1), OnnxRuntimeBackend(network, 1)
    )
    lanes: list[Lane] = [device, host]
    on_device, on_host = (
        by_row(list(score_stream(encoded_batches(smears, run), [lane]))) for lane in lanes
    )
    assert len(on_device) == len(on_host) == 9
    for by_device, by_host in zip(on_device, on_host, strict=True):
        np.testing.assert_array_equal(by_device.reasons, by_host.reasons)
        np.testing.assert_array_equal(by_device.stained, by_host.stained)
        np.testing.assert_allclose(by_device.probabilities, by_host.probabilities, atol=2e-5)


@pytest.mark.usefixtures("pretended_gpu")
def test_any_number_of_decoders_feeds_one_network_to_the_same_bytes(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(SIDE))
    network = Network(tmp_path / "model.onnx", SIDE, CLASSES, 1.0)
    backend = TensorRTBackend(network, PlanOptions(BATCH, precision="float32"))
    rows, results = run.cells(["row", "path"]), []
    for lane_count, cells in product((1, 2, 3), (1, 3, BATCH)):
        lanes: list[Lane] = [
            DeviceLane(
                device_decoder(lambda image: len(image) % 2 == 0), backend, PENDING // lane_count
            )
            for _ in range(lane_count)
        ]
        encoded = read_files(smears, batches_of(rows, cells))
        results.append(joined_scores(score_stream(encoded, lanes), CLASSES))
    for other in results[1:]:
        np.testing.assert_array_equal(other.reasons, results[0].reasons)
        np.testing.assert_array_equal(other.probabilities, results[0].probabilities)
        np.testing.assert_array_equal(other.stained, results[0].stained)


@pytest.mark.usefixtures("pretended_gpu")
def test_no_lane_fills_the_input_between_anothers_filling_and_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(SIDE))
    network = Network(tmp_path / "model.onnx", SIDE, CLASSES, 1.0)
    backend, did = TensorRTBackend(network, PlanOptions(2, precision="float32")), []
    fill, launch = TensorRTBackend._fill, TensorRTBackend._launch

    def slow_fill(self: TensorRTBackend, parts: Any, count: int, slot: Any) -> None:
        did.append(slot)
        fill(self, parts, count, slot)
        time.sleep(0.02)

    def noting_launch(self: TensorRTBackend, slot: Any) -> None:
        did.append(slot)
        launch(self, slot)

    monkeypatch.setattr(TensorRTBackend, "_fill", slow_fill)
    monkeypatch.setattr(TensorRTBackend, "_launch", noting_launch)
    part = Part(np.array([0]), np.zeros((1, 3, SIDE, SIDE), np.float32))
    with ThreadPoolExecutor(PENDING) as lanes:
        list(lanes.map(lambda _: backend.begin([part], 1), range(PENDING)))
    filled, launched = did[::2], did[1::2]
    assert len(filled) == PENDING
    assert all(one is other for one, other in zip(filled, launched, strict=True))


@pytest.mark.usefixtures("pretended_gpu")
def test_a_slot_is_free_again_only_when_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(SIDE))
    network = Network(tmp_path / "model.onnx", SIDE, CLASSES, 1.0)
    backend = TensorRTBackend(network, PlanOptions(2, precision="float32"))
    pixels = np.random.default_rng(1).standard_normal((PENDING + 1, 3, SIDE, SIDE), np.float32)
    one_each = [[Part(np.array([0]), pixels[[place]])] for place in range(PENDING + 1)]
    pending = [backend.begin(parts, 1) for parts in one_each[:PENDING]]
    # The last lane is quickest: its slot, and no other, goes to the next batch.
    of_the_last = pending.pop()
    scored = {PENDING - 1: of_the_last.probabilities()}
    pending.append(backend.begin(one_each[PENDING], 1))
    assert pending[-1].slot is of_the_last.slot
    for place, one in zip((*range(PENDING - 1), PENDING), pending, strict=True):
        scored[place] = one.probabilities()
    for place, expected in enumerate(backend.probabilities(pixels)):
        np.testing.assert_array_equal(scored[place][0], expected)


@pytest.mark.usefixtures("pretended_gpu")
def test_a_batch_that_fails_gives_its_slot_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx(SIDE))
    network = Network(tmp_path / "model.onnx", SIDE, CLASSES, 1.0)
    backend = TensorRTBackend(network, PlanOptions(2, precision="float32"))

    def fails(*_: object) -> NoReturn:
        raise EngineError("out of memory")

    pixels = np.zeros((1, 3, SIDE, SIDE), np.float32)
    for failing in ("_launch", "wait"):
        with monkeypatch.context() as patch:
            patch.setattr(backend, failing, fails)
            for _ in range(PENDING + 1):
                with pytest.raises(EngineError, match="out of memory"):
                    backend.probabilities(pixels)
    assert backend.probabilities(pixels).shape == (1, CLASSES)


@pytest.mark.parametrize(
    ("threads", "decoders"), [(1, 1), (7, 1), (8, 2), (12, 3), (16, 3), (128, 3)]
)
def test_decoders_are_as_many_as_threads_can_feed(threads: int, decoders: int) -> None:
    assert decoder_count(threads, hardware_decoder=False) == decoders
    assert decoder_count(threads, hardware_decoder=True) == 1
    said = told(threads, hardware_decoder=False)
    assert said.startswith(f"{decoders} side by side on its CUDA" if decoders > 1 else "1 on its")
    assert told(threads, hardware_decoder=True).startswith(
        "1 on the GPU's decoder circuit, as asked"
    )


def test_a_gpu_gets_a_lane_a_decoder_and_shares_the_threads_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[dict[str, object]] = []
    monkeypatch.setattr(
        device_decode, "open_device_decoder", lambda *_, **options: opened.append(options)
    )
    backend = SimpleNamespace(stream="its stream", takes_float16=True)
    network = Network(tmp_path, SIDE, CLASSES, 1.0)
    smears = load_model().smears
    assert smears
    setup = Setup(Choice("torch", "", "GPU"), network, PREPROCESSING, smears, tmp_path, None, 16)
    lanes = device_lanes(setup, backend, 64)  # type: ignore[arg-type]
    assert [lane.depth for lane in lanes] == [2, 2, 2]
    assert opened == 3 * [
        {"batch_size": 64, "threads": 5, "stream": "its stream", "hardware_decoder": False,
         "float16": True, "smears": smears},
    ]  # fmt: skip


def test_float16_pixels_are_float32_ones_rounded(smears: Path, run: bloodcell.Run) -> None:
    """So a network that computes in FP16 gives the same bits for either."""
    encoded = encoded_images(encoded_batches(smears, run)[0])[1]
    wide, half = (
        Graph(PREPROCESSING, batch_size=BATCH, threads=1, float16=float16).run(encoded)[0]
        for float16 in (False, True)
    )
    expected = np.asarray(wide.as_tensor()).astype(np.float16)
    np.testing.assert_array_equal(np.asarray(half.as_tensor()), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("hardware_decoder", [False, True])
def test_on_a_gpu_batches_change_nothing(
    smears: Path, tmp_path: Path, hardware_decoder: bool
) -> None:
    if not choose_backend("auto").on_gpu:
        pytest.skip("neither TensorRT nor torch can use this GPU")
    runs = [
        bloodcell.score(
            smears, tmp_path / str(size), batch_size=size, hardware_decoder=hardware_decoder
        )
        for size in (1, 7, 64)
    ]
    assert all(other.cells().equals(runs[0].cells()) for other in runs[1:])
