"""Probabilities of libbloodcell against those of `score` with ONNX Runtime, of the same pixels."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pytest
from helpers.embedded import EmbeddedModel, Library
from helpers.tiny_model import write_tiny_model
from nvidia.dali import fn, pipeline_def, types

import bloodcell
from bloodcell.engine.backends.contract import Network
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.engine.decode import Decoder
from bloodcell.model import load_model

STEP = 2.0**-16


def rgb_of(files: list[Path]) -> list[np.ndarray]:
    """The images as DALI decodes them, before anything is resized."""

    @pipeline_def(batch_size=len(files), num_threads=1, device_id=None, prefetch_queue_depth=1)
    def graph() -> object:
        encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
        return fn.decoders.image(encoded, output_type=types.RGB)

    pipeline = graph()
    pipeline.build()
    (images,) = pipeline.run(encoded=[np.fromfile(file, np.uint8) for file in files])
    return [np.array(images.at(i)) for i in range(len(files))]


def by_score(files: list[Path], folder: Path | None = None) -> np.ndarray:
    """What `score` has of these files, (N, C); by the default model, or that of ``folder``."""
    model = load_model(folder)
    decoder = Decoder(model.preprocessing, batch_size=len(files), threads=1)
    pixels, _, decoded = decoder.decode([np.fromfile(file, np.uint8) for file in files])
    assert decoded.all()
    return OnnxRuntimeBackend(model.network, threads=1).probabilities(pixels)


def largest_difference(model: EmbeddedModel, files: list[Path]) -> float:
    expected = by_score(files)
    cells, probabilities = model.score(rgb_of(files))
    assert [cell.class_index for cell in cells] == probabilities.argmax(axis=1).tolist()
    difference = np.abs(probabilities - expected)
    click.echo(
        f"{len(files)} cells: {(difference > 0).any(axis=1).sum()} of other probabilities, "
        f"largest difference {difference.max():.2g}"
    )
    return float(difference.max())


def test_drawn_cells_have_the_probabilities_of_score(model: EmbeddedModel, smears: Path) -> None:
    files = [file for file in sorted(smears.rglob("*.*")) if file.suffix not in (".csv", ".txt")]
    assert len(files) == 72
    assert largest_difference(model, files) <= 0.002


@pytest.mark.real_data
@pytest.mark.parametrize("source", ["aml-apl/test", "pbc8/test"])
def test_real_cells_have_the_probabilities_of_score(
    model: EmbeddedModel, real_data: Path, source: str
) -> None:
    files = sorted((real_data / source).rglob("*.jp*g"))[::20]
    assert len(files) >= 16
    assert largest_difference(model, files) <= 0.002


def test_equal_pixels_give_equal_bits(library: Library, tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "m", "jhu18")
    ratios = (3.0, 0.5, 0.0, *[0.25] * 15)
    card = (folder / "card.toml").read_text()
    (folder / "card.toml").write_text(
        card.replace("temperature = 1.0", f"temperature = 1.0\nprior_ratios = {list(ratios)}")
    )
    rng = np.random.default_rng(1)
    images = list(rng.integers(0, 256, (50, 8, 8, 3), np.uint8))
    images = [np.repeat(np.repeat(image, 4, axis=0), 4, axis=1) for image in images]
    model = library.open(folder)
    network = Network(folder / "model.onnx", 8, model.about.classes, 1.0, ratios)
    pixels = np.stack([model.network_input(image) for image in images])
    expected = OnnxRuntimeBackend(network, threads=1).probabilities(pixels)
    assert len(np.unique(expected)) > 100
    assert (model.score(images)[1] == expected).all()


def test_a_cell_depends_on_itself_alone(library: Library, model: EmbeddedModel) -> None:
    images = list(np.random.default_rng(2).integers(0, 256, (7, 40, 50, 3), np.uint8))
    _, together = model.score(images)
    for i, image in enumerate(images):
        assert (model.score([image])[1][0] == together[i]).all()
    other = library.open(load_model().folder, threads=2, batch_size=3)
    assert (other.score(images)[1] == together).all()


def test_threads_that_call_at_once_get_what_one_gets(model: EmbeddedModel) -> None:
    images = list(np.random.default_rng(3).integers(0, 256, (24, 30, 30, 3), np.uint8))
    expected = model.score(images)[1]
    counts = model.counts()

    def score(i: int) -> np.ndarray:
        cells, probabilities = model.score([images[i]], first_row=i)
        counts.add("p", cells, probabilities)
        return probabilities[0]

    with ThreadPoolExecutor(8) as pool:
        assert (np.stack(list(pool.map(score, range(24)))) == expected).all()
    together = model.counts()
    together.add("p", *model.score(images))
    assert bytes(counts.report("p")[0]) == bytes(together.report("p")[0])


def test_cells_that_no_network_should_see_are_rejected(model: EmbeddedModel) -> None:
    shapes = [(15, 40), (16, 40), (40, 4097), (40, 40)]
    cells, probabilities = model.score([np.zeros((*shape, 3), np.uint8) for shape in shapes], 7)
    reasons = [model.library.text("reason", cell.reason) for cell in cells]
    assert reasons == ["too_small", "", "too_large", ""]
    assert [cell.row for cell in cells] == [7, 8, 9, 10]
    assert [cell.class_index < 0 for cell in cells] == [True, False, True, False]
    assert np.isnan(probabilities).all(axis=1).tolist() == [True, False, True, False]
    assert bloodcell.__version__ == model.library.c.bloodcell_version().decode()
