"""What the repository's DALI pipeline and ONNX network give is what ``score`` gives."""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from helpers.tiny_onnx import CLASSES, tiny_onnx
from nvidia.dali import Pipeline
from onnx import TensorProto, helper

from bloodcell._core import NEEDS_REWRITING, traits
from bloodcell.engine.backends.onnx.file import read_onnx
from bloodcell.engine.backends.onnx.probabilities import with_probabilities
from bloodcell.engine.probabilities import calibrated_probabilities
from bloodcell.errors import ModelError

MODEL = "jhu18-differential-160"
Probabilities = npt.NDArray[np.float32]


class Served:
    """The two models of a repository, one behind the other as the ensemble has them."""

    def __init__(self, repository: Path) -> None:
        self._pipeline = Pipeline.deserialize(
            filename=str(repository / f"{MODEL}-decode/1/model.dali"),
            batch_size=64, num_threads=1, device_id=None,
        )  # fmt: skip
        self._pipeline.build()
        network = repository / f"{MODEL}-network/1/model.onnx"
        self._network = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])

    def __call__(self, request: list[npt.NDArray[np.uint8]]) -> Probabilities:
        pixels, _ = self._pipeline.run(encoded=request)
        (probabilities,) = self._network.run(["probabilities"], {"pixels": pixels.as_array()})
        return np.asarray(probabilities, np.float32)


def is_decoded_right(encoded: npt.NDArray[np.uint8]) -> bool:
    """Whether ``score`` hands DALI the bytes as they are."""
    return not traits(encoded, np.array([0, len(encoded)]))[0] & NEEDS_REWRITING


def test_every_drawn_cell_has_the_bits_of_score(
    repository: Path, scored: dict[Path, Probabilities], capsys: pytest.CaptureFixture[str]
) -> None:
    images = {path: np.fromfile(path, np.uint8) for path in scored}
    known = [path for path in images if is_decoded_right(images[path])]
    assert {path.suffix for path in known} == {".jpg", ".tiff", ".png", ".bmp"}
    assert len(known) >= 60
    served = Served(repository)
    one_by_one = np.concatenate([served([images[path]]) for path in known])
    expected = np.array([scored[path] for path in known])
    difference = np.abs(one_by_one - expected).max()
    with capsys.disabled():
        click.echo(f"\n{len(known)} drawn cells, largest difference to score: {difference:g}")
    assert one_by_one.tobytes() == expected.tobytes()
    together = np.concatenate(
        [served([images[path] for path in known[i : i + 24]]) for i in range(0, len(known), 24)]
    )
    assert together.tobytes() == expected.tobytes()


def test_images_padded_to_one_length_are_the_same(
    repository: Path, scored: dict[Path, Probabilities]
) -> None:
    paths = [path for path in scored if is_decoded_right(np.fromfile(path, np.uint8))][:20]
    images = [np.fromfile(path, np.uint8) for path in paths]
    longest = max(map(len, images)) + 5
    padded = [np.pad(image, (0, longest - len(image))) for image in images]
    expected = np.array([scored[path] for path in paths])
    assert Served(repository)(padded).tobytes() == expected.tobytes()


@pytest.mark.parametrize("ratios", [(), (0.0, 4.0, *[0.7] * 16)])
def test_probabilities_in_the_graph_are_those_of_score(ratios: Sequence[float]) -> None:
    logits = np.random.default_rng(1).normal(0, 6, (20_000, 18)).astype(np.float32)
    logits[0] = 0
    logits[1] = [80, -80] * 9
    expected = calibrated_probabilities(logits, 0.93, ratios)
    given = of_graph(logits, 0.93, ratios)
    assert given.dtype == np.float32
    assert given.tobytes() == expected.tobytes()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_give_none_in_their_row_alone(odd: float) -> None:
    logits = np.random.default_rng(1).normal(0, 3, (3, 18)).astype(np.float32)
    logits[1, 4] = odd
    given = of_graph(logits, 1.0)
    assert np.isnan(given[1]).all()
    assert np.array_equal(given, calibrated_probabilities(logits, 1.0), equal_nan=True)


def with_identity(classes: int) -> onnx.ModelProto:
    """A network that hands its input on."""
    rows = ["n", classes]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, rows)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, rows)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def of_graph(
    logits: npt.NDArray[np.float32], temperature: float, prior_ratios: Sequence[float] = ()
) -> Probabilities:
    """The graph's probabilities of logits that nothing has changed."""
    identity = with_identity(logits.shape[1]).SerializeToString()
    network = with_probabilities(identity, temperature, prior_ratios)
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": logits})[0])


def test_a_network_of_two_outputs_or_too_old_is_refused() -> None:
    model = read_onnx(tiny_onnx(8, CLASSES))
    model.graph.output.append(model.graph.output[0])
    model.graph.output[1].name = "m"
    with pytest.raises(ModelError, match="has 2 outputs"):
        with_probabilities(model.SerializeToString(), 1.0)
    graph = with_identity(18)
    graph.opset_import[0].version = 9
    with pytest.raises(ModelError, match="opset 9: one output and opset 11 or later"):
        with_probabilities(graph.SerializeToString(), 1.0)
