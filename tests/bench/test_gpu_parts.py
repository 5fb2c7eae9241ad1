"""The parts of gpu-check, on the CPU's lanes."""

import sys
from pathlib import Path

import pytest
from gpu import inputs, networks, parts, streams
from gpu.inputs import RESNEXT50, Case

from bloodcell.bench import timing
from bloodcell.bench.stand_in import write_stand_in
from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend
from bloodcell.errors import EngineError
from bloodcell.model import load_model


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(inputs, "CELLS", 12)
    monkeypatch.setattr(inputs, "IMAGE_PX", 40)
    monkeypatch.setattr(timing, "_LEAST_S", 0.001)
    monkeypatch.setenv("BLOODCELL_DATA", str(tmp_path / "none"))


def test_each_case_is_an_entry_and_one_that_fails_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"good": str(write_stand_in(tmp_path / "stand-in")), "bad": "no such model"}
    monkeypatch.setattr(streams, "model_of", lambda name, _folder: models[name])
    cases = [Case("good"), Case("bad"), Case("good", "tiff", asked_batch=5)]
    jpeg, failed, tiff = parts.end_to_end(tmp_path, cases)
    assert (jpeg["batch"], tiff["batch"]) == (32, 5)
    assert (jpeg["images"], jpeg["network"]) == ("drawn, 40 x 40 px", "good")
    # Uncompressed RGBA and what little is around it.
    assert tiff["kib_a_cell"] == pytest.approx(40 * 40 * 4 / 1024, abs=1)
    assert jpeg["kib_a_cell"] < tiff["kib_a_cell"]
    for entry in (jpeg, tiff):
        assert entry["cells_per_s"]["end_to_end"]["median"] > 0
        assert entry["copies"]["gb_per_s"].keys() == {
            "pixels_up", "encoded_up", "probabilities_down",
        }  # fmt: skip
    assert failed["failed"].startswith("unknown model 'no such model'")


def test_real_images_are_taken_where_there_are_some(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "aml-apl").mkdir(parents=True)
    (tmp_path / "data" / "aml-apl" / "test").symlink_to(smears)
    monkeypatch.setenv("BLOODCELL_DATA", str(tmp_path / "data"))
    manifest, images = inputs.images_of("jpeg", tmp_path)
    assert images == "aml-apl/test"
    assert len(list((manifest.parent / "links").glob("*/*"))) == 12
    assert list(inputs.folders_of_images(tmp_path)) == ["aml-apl/test", "drawn, of all kinds"]


def test_images_that_are_rejected_are_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_stand_in(tmp_path / "stand-in")
    monkeypatch.setattr(streams, "model_of", lambda _name, _folder: str(model))
    manifest, _ = inputs.images_of("jpeg", tmp_path)
    for image in sorted((manifest.parent / "links").glob("*/*"))[:5]:
        image.unlink()
    with pytest.raises(EngineError, match="5 of 12 images were rejected"):
        streams.opened(Case("stand-in"), tmp_path)


def test_the_random_network_is_a_model_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inputs.model_of(RESNEXT50, tmp_path, input_px=32)
    again = inputs.model_of(RESNEXT50, tmp_path, input_px=32)
    assert again == folder == str(tmp_path / RESNEXT50)
    # Of the size that is measured it stays in the tree, for a Python that could not make it.
    monkeypatch.setattr(inputs, "KEPT", tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert inputs.model_of(RESNEXT50, tmp_path / "another") == folder
    model = load_model(folder)
    assert model.name == "ResNeXt-50 32x4d, random weights, 32 px"
    assert model.card["gmacs"] > 0
    pixels = networks.pixels_for(model.network, 2)
    one, other = OnnxRuntimeBackend(model.network, threads=1).probabilities(pixels)
    # Its branches count: two inputs are not scored alike.
    assert (one != other).any()


def test_both_networks_are_measured_at_the_batch_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = inputs.model_of(RESNEXT50, tmp_path, input_px=32)
    names: list[str] = []

    def without_torch(name: str, _folder: Path) -> str:
        names.append(name)
        if name == RESNEXT50:
            raise ImportError("no torch")
        return made

    sources = {"host": lambda pixels: pixels}
    cpu = networks.Candidate(
        "onnxruntime", "float16", lambda network, _batch: OnnxRuntimeBackend(network, 1), sources
    )
    monkeypatch.setattr(parts, "model_of", without_torch)
    monkeypatch.setattr(networks, "candidates", lambda: ([cpu], ["tensorrt not installed"]))
    monkeypatch.setattr(networks, "BATCHES", (2, 64))
    monkeypatch.setattr(networks, "REPEAT_S", 0.001)
    lacking, measured, failed = parts.networks_at_once(tmp_path)
    assert names == [inputs.SHIPPED, RESNEXT50]
    assert lacking == {"failed": "tensorrt not installed"}
    assert (measured["batch"], measured["gmacs"] > 0) == (2, True)
    assert failed == {"network": RESNEXT50, "failed": "ImportError: no torch"}
