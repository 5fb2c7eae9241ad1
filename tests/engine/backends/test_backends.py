"""Which backend is taken and why; torch against ONNX Runtime."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import pytest
from helpers.networks import normal_pixels, random_resnext

import bloodcell
from bloodcell.engine.backends import choice
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.contract import Choice, Network
from bloodcell.engine.backends.cuda import Device
from bloodcell.engine.backends.opening import open_backend
from bloodcell.engine.backends.self_test import golden_pixels
from bloodcell.engine.probabilities import PROBABILITY_STEP, calibrated_probabilities
from bloodcell.errors import EngineError, ModelError
from bloodcell.model import load_model

ON_TORCH = Choice("torch", "a test's", "CPU")


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device("Example GPU", "9.0", "uuid", "13.0")
    monkeypatch.setattr(choice, "why_no_cuda", lambda: None)
    monkeypatch.setattr(choice, "first_device", lambda: device)


def installed(monkeypatch: pytest.MonkeyPatch, **modules: bool) -> None:
    """Make modules look installed or not; the others are as they are."""
    monkeypatch.setattr(
        choice, "find_spec", lambda name: modules.get(name, find_spec(name) is not None) or None
    )


def test_without_a_gpu_auto_takes_what_suits_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "why_no_cuda", lambda: "no driver")
    monkeypatch.setattr(choice, "computes_in_bfloat16", lambda: True)
    monkeypatch.setattr(choice, "is_faster_in_bfloat16", lambda: True)
    assert choose_backend("auto") == Choice(
        "openvino", "this CPU computes in bfloat16; no driver", "CPU"
    )
    assert choose_backend("onnxruntime") == Choice("onnxruntime", "asked for", "CPU")
    monkeypatch.setattr(choice, "is_faster_in_bfloat16", lambda: False)
    chosen = choose_backend("auto")
    assert chosen.name == "onnxruntime"
    assert chosen.why.endswith("not openvino: on this CPU bfloat16 takes longer than FP32")
    assert choose_backend("openvino") == Choice("openvino", "asked for", "CPU")
    monkeypatch.setattr(choice, "computes_in_bfloat16", lambda: False)
    chosen = choose_backend("auto")
    assert (chosen.name, chosen.device) == ("onnxruntime", "CPU")
    assert chosen.why.startswith("it runs on the CPU; no driver; not openvino: this CPU does not")
    with pytest.raises(EngineError, match="'openvino' cannot run here: this CPU does not compute"):
        choose_backend("openvino")
    assert choose_backend("torch").why == "asked for; on the CPU: no driver"
    with pytest.raises(
        EngineError, match="'tensorrt' cannot run here: it needs a CUDA GPU, and no"
    ):
        choose_backend("tensorrt")


@pytest.mark.usefixtures("with_gpu")
def test_on_a_gpu_auto_takes_tensorrt_then_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    installed(monkeypatch, tensorrt=True, cupy=True)
    assert choose_backend("auto") == Choice("tensorrt", "it runs on the Example GPU", "Example GPU")
    assert choose_backend("torch") == Choice("torch", "asked for", "Example GPU")
    installed(monkeypatch, tensorrt=False, tensorrt_rtx_bindings=True, cupy=True)
    assert choose_backend("auto").name == "tensorrt"
    installed(monkeypatch, tensorrt=False, tensorrt_rtx_bindings=False, cupy=True)
    chosen = choose_backend("auto")
    assert chosen.name == "torch"
    assert chosen.why.endswith("not tensorrt: not installed: pip install tensorrt")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = choose_backend("auto")
    assert not chosen.on_gpu
    assert "not torch: torch" in chosen.why
    assert "cannot use this GPU" in choose_backend("torch").why


@pytest.mark.usefixtures("with_gpu")
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(
        monkeypatch,
        tensorrt=False, tensorrt_rtx_bindings=False, cupy=False, torch=False, onnx=False,
    )  # fmt: skip
    with pytest.raises(EngineError, match="not installed: pip install torch onnx"):
        choose_backend("torch")
    with pytest.raises(EngineError, match="not installed: pip install tensorrt cupy-cuda13x onnx"):
        choose_backend("tensorrt")


def test_torch_agrees_with_onnxruntime_and_batches_change_nothing() -> None:
    from bloodcell.engine.backends.torch import TorchBackend

    network = load_model().network
    golden = golden_pixels(network.input_px)
    opened = open_backend(ON_TORCH, network, 1)
    by_torch = opened.probabilities(golden)
    reference = open_backend(choose_backend("onnxruntime"), network, 1).probabilities(golden)
    assert len(np.unique(reference, axis=0)) == len(golden)
    assert np.abs(by_torch - reference).max() <= 1e-3
    # More threads, and a batch that is not whole passes.
    two_threads = TorchBackend(network, 2)
    order = [0, 1, 2, 3, 2, 1, 0]
    assert np.array_equal(two_threads.probabilities(golden[order]), by_torch[order])


@pytest.mark.gpu
def test_torch_on_a_gpu_passes_its_self_test_and_cuts_batches() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    network = load_model().network
    choice = choose_backend("torch")
    if not choice.on_gpu:
        pytest.skip(choice.why)
    opened = open_backend(choice, network, 1)
    golden = golden_pixels(network.input_px)
    expected = opened.probabilities(golden)
    order = np.arange(600) % len(golden)
    assert np.array_equal(opened.probabilities(golden[order]), expected[order])


def test_torch_runs_a_resnext_of_odd_sizes(tmp_path: Path) -> None:
    # 36 pixels: 18, 9, 5, 3, so that ceil_mode matters.
    network = random_resnext(tmp_path, 36, (1, 2, 1, 1))
    pixels = normal_pixels(3, 36)
    by_torch = open_backend(ON_TORCH, network, 1).probabilities(pixels)
    expected = open_backend(choose_backend("onnxruntime"), network, 1).probabilities(pixels)
    assert len(np.unique(expected, axis=0)) == 3
    assert np.abs(by_torch - expected).max() <= 1e-3


@pytest.mark.parametrize("ratios", [(), (0.0, 4.0, *[0.7] * 16)])
def test_probabilities_on_a_device_are_those_of_the_host(ratios: tuple[float, ...]) -> None:
    import torch

    from bloodcell.engine.backends.torch_device import probabilities_on_device, ratios_on_device

    logits = np.random.default_rng(0).normal(0, 9, (500, 18)).astype(np.float32)
    logits[3, 2], logits[4, 0] = np.inf, np.nan
    network = Network(Path("none"), 8, 18, 0.8, ratios)
    on_device = probabilities_on_device(
        torch.from_numpy(logits), network.temperature, ratios_on_device(network, "cpu")
    ).numpy()
    expected = calibrated_probabilities(logits, 0.8, ratios)
    assert np.array_equal(np.isnan(on_device), np.isnan(expected))
    assert np.nanmax(np.abs(on_device - expected)) <= PROBABILITY_STEP
    assert np.array_equal(
        on_device[5:] / PROBABILITY_STEP, np.rint(on_device[5:] / PROBABILITY_STEP)
    )


def test_a_failure_of_torch_on_a_gpu_is_one_line() -> None:
    from torch import OutOfMemoryError

    from bloodcell.engine.backends.torch_device import failure_line

    full = "memory does not hold a batch of 4 cells: end what else uses it"
    for failure, message in ((OutOfMemoryError, full), (RuntimeError, "torch failed: first line$")):
        said = failure_line(failure("first line\nsecond line"), 4)
        assert re.search(message, said)
        assert "\n" not in said


def test_a_failure_of_torch_on_the_cpu_is_one_line() -> None:
    from bloodcell.engine.backends.torch import TorchBackend

    network = load_model().network
    backend = TorchBackend(network, 1)

    def failing(_pixels: object) -> None:
        raise RuntimeError("first line\nsecond line")

    backend._pass = failing  # type: ignore[method-assign, assignment]
    with pytest.raises(EngineError, match=r"torch failed: first line$"):
        backend.probabilities(golden_pixels(network.input_px))


def test_an_operator_that_torch_does_not_know_is_named(tmp_path: Path) -> None:
    from bloodcell.engine.backends.onnx.module import OnnxModule

    graph = onnx.load_model_from_string(load_model().network.weights.read_bytes())
    relu = next(node for node in graph.graph.node if node.op_type == "Relu")
    relu.op_type = "Softsign"
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    known = load_model().network
    network = Network(tmp_path / "model.onnx", known.input_px, known.class_count, 1.0)
    with pytest.raises(ModelError, match="does not know the ONNX operator Softsign"):
        open_backend(ON_TORCH, network, 1)
    relu.op_type = "Relu"
    conv = next(node for node in graph.graph.node if node.op_type == "Conv")
    conv.attribute.append(onnx.helper.make_attribute("auto_pad", "SAME_UPPER"))
    with pytest.raises(ModelError, match="does not know auto_pad of the ONNX operator Conv"):
        OnnxModule(graph.SerializeToString())


def test_a_backend_that_fails_its_self_test_may_not_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend

    real = OnnxRuntimeBackend.probabilities
    monkeypatch.setattr(
        OnnxRuntimeBackend,
        "probabilities",
        lambda self, pixels: np.roll(real(self, pixels), 1, axis=0),
    )
    with pytest.raises(EngineError, match="the backend is refused"):
        open_backend(choose_backend("onnxruntime"), load_model().network, 1)


def test_torch_scores_a_run_whose_classes_are_those_of_onnxruntime(
    smears: Path, tmp_path: Path
) -> None:
    run = bloodcell.score(smears, tmp_path / "reference", backend="onnxruntime")
    by_torch = bloodcell.score(smears, tmp_path / "run", backend="torch", threads=1)
    assert by_torch.about["backend"]["name"] == "torch"
    assert by_torch.about["job"]["versions"]["torch"]
    both = by_torch.cells(), run.cells()
    assert both[0]["class"].equals(both[1]["class"])
    shares = [
        np.stack(cells["probabilities"].drop_null().to_numpy(zero_copy_only=False))
        for cells in both
    ]
    assert np.nanmax(np.abs(shares[0] - shares[1])) <= 1e-3
