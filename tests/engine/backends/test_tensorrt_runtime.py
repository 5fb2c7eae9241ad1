"""The runtime against a stand-in for the GPU, and, marked ``gpu``, against a real one."""

from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import fake_gpu
from helpers.tiny_onnx import CLASSES, tiny_onnx

from bloodcell import plans
from bloodcell.cli import main
from bloodcell.engine.backends.choice import why_not_here
from bloodcell.engine.backends.contract import IN_FLIGHT, Network, Part
from bloodcell.engine.backends.cuda import why_no_cuda
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.backends.self_test import prove
from bloodcell.engine.backends.tensorrt import PlanOptions, TensorRTBackend, plan
from bloodcell.engine.backends.tensorrt.builder import Built
from bloodcell.engine.backends.tensorrt.flavour import installed_flavour
from bloodcell.errors import BloodcellError, EngineError, ModelError
from bloodcell.model import load_model
from bloodcell.paths import DEFAULT_MODEL


@pytest.fixture
def network(tmp_path: Path) -> Network:
    (tmp_path / "model.onnx").write_bytes(tiny_onnx())
    ratios = (0.0, 3.0, *[0.5] * (CLASSES - 2))
    return Network(tmp_path / "model.onnx", 8, CLASSES, 1.3, ratios)


def pixels_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, 3, 8, 8), np.float32)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
@pytest.mark.usefixtures("pretended_gpu")
def test_any_number_of_cells_is_scored_as_on_the_cpu(network: Network, count: int) -> None:
    backend = TensorRTBackend(network, PlanOptions(largest_batch=4, precision="float32"))
    pixels = pixels_of(count)
    expected = OnnxRuntimeBackend(network, 1).probabilities(pixels)
    assert backend.probabilities(pixels).shape == (count, CLASSES)
    np.testing.assert_allclose(backend.probabilities(pixels), expected, atol=2e-5)
    every_other = np.repeat(pixels, 2, axis=0)[::2]
    np.testing.assert_array_equal(backend.probabilities(every_other), backend.probabilities(pixels))
    on_device = np.array(pixels).view(fake_gpu.Array)
    np.testing.assert_array_equal(backend.probabilities(on_device), backend.probabilities(pixels))


@pytest.mark.usefixtures("pretended_gpu")
def test_a_run_is_held_to_the_plan(network: Network) -> None:
    backend = TensorRTBackend(network, PlanOptions(4))
    digest = sha256(backend.plan.content).hexdigest()
    assert backend.made_of == {"TensorRT": "11.4.0", "plan": digest}


@pytest.mark.usefixtures("pretended_gpu")
def test_fp16_passes_the_self_test(network: Network) -> None:
    prove(
        TensorRTBackend(network, PlanOptions(largest_batch=4)),
        OnnxRuntimeBackend(network, 1),
        input_px=8,
        largest_difference=0.02,
        rows=9,
    )


@pytest.mark.usefixtures("pretended_gpu")
def test_a_chunk_is_filled_up_with_zeros(network: Network) -> None:
    backend = TensorRTBackend(network, PlanOptions(largest_batch=4))
    backend.probabilities(pixels_of(7))
    assert not np.asarray(backend._pixels)[3:].any()


@pytest.mark.usefixtures("pretended_gpu")
def test_several_batches_in_flight_do_not_mix(network: Network) -> None:
    backend = TensorRTBackend(network, PlanOptions(largest_batch=4, precision="float32"))
    batches = [pixels_of(count) for count in (4, 2, 3)]
    assert len(batches) == IN_FLIGHT
    # The pretended stream does nothing until it is waited for: all three are loaded by then.
    pending = [backend.begin([Part(np.arange(len(b)), b)], len(b)) for b in batches]
    reference = OnnxRuntimeBackend(network, 1)
    for begun, pixels in zip(pending, batches, strict=True):
        expected = reference.probabilities(pixels)
        np.testing.assert_allclose(begun.probabilities(), expected, atol=2e-5)


@pytest.mark.usefixtures("pretended_gpu")
def test_pixels_of_both_decoders_find_their_places(network: Network) -> None:
    backend = TensorRTBackend(network, PlanOptions(largest_batch=8, precision="float32"))
    pixels = pixels_of(7)
    by_gpu, by_cpu = np.array([0, 1, 4, 6]), np.array([2, 3, 5])
    on_device = Part(by_gpu, pixels[by_gpu].view(fake_gpu.Array))
    probabilities = backend.begin([on_device, Part(by_cpu, pixels[by_cpu])], 7).probabilities()
    np.testing.assert_array_equal(probabilities, backend.probabilities(pixels))


@pytest.mark.usefixtures("pretended_gpu")
def test_a_cell_whose_pixels_were_not_written_has_no_numbers(network: Network) -> None:
    backend = TensorRTBackend(network, PlanOptions(largest_batch=4))
    backend.probabilities(pixels_of(4))
    written = np.array([0, 2])
    probabilities = backend.begin([Part(written, pixels_of(2))], 3).probabilities()
    np.testing.assert_array_equal(np.isnan(probabilities).all(axis=1), [False, True, False])


@pytest.mark.parametrize(
    ("pixels", "refused"),
    [
        (np.zeros((2, 3, 8, 9), np.float32), r"float32 of shape \(2, 3, 8, 9\)"),
        (np.zeros((2, 3, 8, 8), np.float64), "float64"),
        (np.zeros((3, 8, 8), np.float32), r"shape \(3, 8, 8\)"),
    ],
)
@pytest.mark.usefixtures("pretended_gpu")
def test_other_pixels_are_refused(network: Network, pixels: np.ndarray, refused: str) -> None:
    backend = TensorRTBackend(network, PlanOptions(largest_batch=4))
    with pytest.raises(EngineError, match=rf"takes float32 of shape \(N, 3, 8, 8\), .*{refused}"):
        backend.probabilities(pixels)


@pytest.mark.usefixtures("pretended_gpu")
def test_too_little_memory_is_one_line(network: Network) -> None:
    with pytest.raises(EngineError, match=r"batches of 2000 .*batches of 1000") as raised:
        TensorRTBackend(network, PlanOptions(largest_batch=2000))
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("pretended_gpu")
def test_what_the_gpu_refuses_is_one_line(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fake_gpu.Context, "refuses", True)
        with pytest.raises(EngineError, match="could not run the plan"):
            TensorRTBackend(network)
    for batch, said, message in (
        (5, b"refused:\nmagic tag", r"TensorRT refused the plan; deleted, .*: refused: magic tag$"),
        (6, b"refused: OutOfMemory", r"too little memory for batches of 6 .*batches of 3"),
    ):
        monkeypatch.setattr(plan, "build_plan", lambda *_, said=said, **__: Built(said, b""))
        with pytest.raises(EngineError, match=message):
            TensorRTBackend(network, PlanOptions(batch))


@pytest.fixture
def tiny_model(network: Network, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model folder, of which `build` takes the tiny network."""
    monkeypatch.setattr(plans, "load_model", lambda _name: SimpleNamespace(network=network))
    return str(network.weights.parent)


def test_build_proves_the_plan_and_scoring_takes_its_options(
    pretended_gpu: list[int], tiny_model: str, network: Network
) -> None:
    command = ["build", tiny_model, "--batch-size", "4", "--merge-groups", "32"]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    assert "self-test  passed" in first.stdout
    assert "pretended, TensorRT 11.4.0" in first.stdout
    again = CliRunner().invoke(main, command)
    assert "lay ready" in again.stdout
    assert pretended_gpu == [4]
    assert TensorRTBackend(network).options == PlanOptions(4, 32)


def test_a_plan_that_fails_its_self_test_is_not_taken(
    pretended_gpu: list[int],
    tiny_model: str,
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def wrong(_self: object, pixels: np.ndarray) -> np.ndarray:
        return np.full((len(pixels), CLASSES), 0.5, np.float32)

    monkeypatch.setattr(TensorRTBackend, "probabilities", wrong)
    failed = CliRunner().invoke(main, ["build", tiny_model, "--batch-size", "4"])
    assert failed.exit_code == 1
    assert "refused" in failed.stderr
    assert not list((tmp_path / "cache").rglob("*.plan"))
    assert pretended_gpu == [4]
    assert TensorRTBackend(network).options == PlanOptions()


@pytest.mark.skipif(why_no_cuda() is None, reason="there is a GPU: nothing to refuse")
def test_without_a_gpu_build_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = CliRunner().invoke(main, ["build", DEFAULT_MODEL])
    assert done.exit_code == 1
    assert done.stderr.startswith("bloodcell: TensorRT cannot be used here: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_none_is_refused_before_it_is_built(
    pretended_gpu: list[int], network: Network
) -> None:
    network.weights.write_bytes(b"garbage")
    with pytest.raises(ModelError):
        TensorRTBackend(network)
    assert pretended_gpu == []


@pytest.fixture
def cupy() -> Any:
    """CuPy; what needs it is skipped, with the reason, where it or TensorRT cannot be loaded."""
    if why_not := why_not_here("tensorrt"):
        pytest.skip(why_not)
    try:
        installed_flavour()
        return import_module("cupy")
    except (BloodcellError, ImportError) as error:
        pytest.skip(str(error))


@pytest.mark.gpu
@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_on_a_gpu_the_shipped_network_passes(
    precision: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = load_model().network
    backend = TensorRTBackend(network, PlanOptions(64, precision=precision))  # type: ignore[arg-type]
    reference = OnnxRuntimeBackend(network, 4)
    largest = 0.02 if precision == "float16" else 1e-3
    prove(backend, reference, input_px=network.input_px, largest_difference=largest, rows=129)
    again = TensorRTBackend(network, PlanOptions(64, precision=precision))  # type: ignore[arg-type]
    assert again.plan.built_s is None


@pytest.mark.gpu
def test_on_a_gpu_device_memory_scores_as_host_memory(
    cupy: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = load_model().network
    backend = TensorRTBackend(network, PlanOptions(8))
    shape = (21, 3, network.input_px, network.input_px)
    pixels = np.random.default_rng(0).standard_normal(shape, np.float32)
    expected = backend.probabilities(pixels)
    on_device = cupy.asarray(pixels)
    np.testing.assert_array_equal(backend.probabilities(on_device), expected)
    # Every other column of a wider array: not contiguous.
    wide = cupy.repeat(on_device, 2, axis=3)[..., ::2]
    np.testing.assert_array_equal(backend.probabilities(wide), expected)


@pytest.mark.gpu
def test_on_a_gpu_too_little_memory_is_one_line(
    cupy: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, network: Network
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=1)
    try:
        with pytest.raises(EngineError, match=r"too little memory .*batches of 2") as raised:
            TensorRTBackend(network, PlanOptions(4))
    finally:
        pool.set_limit(size=0)
    assert "\n" not in str(raised.value)
