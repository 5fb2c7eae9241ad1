"""A support vector machine as the last layer, and networks that start from given weights."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers.tiny_recipe import TINY, TINY_RECIPE
from onnx import numpy_helper
from sklearn.svm import LinearSVC

import bloodcell
from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.errors import InputError, ModelError
from bloodcell.model import load_model
from bloodcell.training import train
from bloodcell.training.crossvalidation import new_network
from bloodcell.training.fit import penultimate_features
from bloodcell.training.recipe import read_recipe
from bloodcell.training.svm import fit_svm_head

ALONE = TINY_RECIPE.split("[[teacher]]")[0].replace("folds = 4", "folds = 2")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(ALONE)
    return path


def coloured(labels: torch.Tensor) -> torch.Tensor:
    """Noise, brighter in the channel of its label."""
    pixels = torch.randn(len(labels), 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pixels[torch.arange(len(labels)), labels] += 1.0
    return pixels


def test_the_last_layer_gives_scikit_learns_decisions() -> None:
    torch.manual_seed(0)
    network = TINY.build(4, 32).eval()
    labels = torch.arange(60) % 3
    pixels, rows = coloured(labels), torch.arange(60)
    features = penultimate_features(network, pixels).double().numpy()
    fit_svm_head(network, lambda some: pixels[some], rows, labels, torch.ones(60))
    spread = np.where(features.std(0) < 1e-6, 1.0, features.std(0))
    standard = (features - features.mean(0)) / spread
    machine = LinearSVC(C=0.01, class_weight="balanced", max_iter=5000, random_state=0)
    expected = machine.fit(standard, labels.numpy()).decision_function(standard)
    with torch.no_grad():
        decisions = network(pixels)
    assert np.abs(decisions[:, :3].numpy() - expected).max() < 1e-4
    assert (decisions[:, :3].argmax(1) == labels).float().mean() > 0.9
    # Of the fourth class there is no cell.
    assert (decisions[:, 3] == -2).all()


def test_two_classes_have_one_machine_and_two_decisions() -> None:
    torch.manual_seed(0)
    network = TINY.build(2, 32).eval()
    labels = torch.arange(40) % 2
    pixels, rows = coloured(labels), torch.arange(40)
    fit_svm_head(network, lambda some: pixels[some], rows, labels, torch.ones(40))
    with torch.no_grad():
        decisions = network(pixels)
    assert torch.allclose(decisions[:, 0], -decisions[:, 1], atol=1e-4)
    assert (decisions.argmax(1) == labels).float().mean() > 0.9
    with pytest.raises(InputError, match="cells of two classes at least"):
        fit_svm_head(network, lambda some: pixels[some], rows, labels * 0, torch.ones(40))


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    graph = onnx.load(folder / "model.onnx").graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


def test_a_trained_folder_is_finished_with_a_machine_and_scores_the_same_everywhere(
    smears: Path, recipe: Path, tmp_path: Path
) -> None:
    plain, svm = tmp_path / "plain", tmp_path / "svm"
    train(smears, smears / "labels.csv", plain, recipe=recipe, threads=1)
    shutil.copytree(plain, svm)
    train(smears, smears / "labels.csv", svm, recipe=recipe, head="svm", threads=1)
    heads = [load_model(folder).card["training"]["head"] for folder in (plain, svm)]
    assert heads == ["softmax", "svm"]
    before, after = weights_of(plain), weights_of(svm)
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert changed == ["head.1.weight", "head.1.bias"]
    calibration = load_model(svm).card["calibration"]
    assert calibration["temperature"] > 0
    called = []
    for backend in ("onnxruntime", "torch"):
        run = bloodcell.score(smears, tmp_path / backend, model=svm, backend=backend)
        assert run.about["scored"] == 72
        called.append(np.stack(run.cells(["probabilities"])["probabilities"].to_pylist()))
    assert np.abs(called[0] - called[1]).max() < 1e-3


def test_a_network_starts_from_the_weights_that_are_given(recipe: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    theirs = ARCHITECTURES["resnext14_4x16d"].build(1000, 64)
    torch.save(theirs.state_dict(), tmp_path / "imagenet.pth")
    recipe.write_text('weights = "imagenet.pth"\n' + ALONE)
    started = new_network(read_recipe(recipe))
    own = started.state_dict()
    for name, value in theirs.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(value, own[name]), name
    assert started.class_count == 18
    recipe.write_text('weights = "none.pth"\n' + ALONE)
    with pytest.raises(InputError, match=r"weights: there is no file .*none\.pth"):
        read_recipe(recipe)
    torch.save({"odd": torch.zeros(1)}, tmp_path / "imagenet.pth")
    recipe.write_text('weights = "imagenet.pth"\n' + ALONE)
    with pytest.raises(ModelError, match="is of another architecture or input size: it lacks"):
        new_network(read_recipe(recipe))


def test_a_frozen_network_lends_its_features_to_a_machine(
    smears: Path, recipe: Path, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    theirs = ARCHITECTURES["resnext14_4x16d"].build(1000, 64)
    torch.save(theirs.state_dict(), tmp_path / "imagenet.pth")
    recipe.write_text('weights = "imagenet.pth"\nfrozen = true\n' + ALONE)
    with pytest.raises(InputError, match="nothing would learn without --head svm"):
        train(smears, smears / "labels.csv", tmp_path / "model", recipe=recipe)
    folder = tmp_path / "model"
    train(smears, smears / "labels.csv", folder, recipe=recipe, head="svm", threads=1)
    card = load_model(folder).card
    assert (card["training"]["frozen"], card["training"]["weights"]) == (True, "imagenet.pth")
    assert not (folder / "checkpoint.pt").exists()
    assert card["metrics"]["validation"]["cells"] == 72


def test_a_scheme_without_blasts_can_be_trained_for(
    smears: Path, recipe: Path, tmp_path: Path
) -> None:
    with (smears / "labels.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    codes = ["lymphocyte", "monocyte", "neutrophil"]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "patient", "class"])
        for number, cell in enumerate(cells):
            writer.writerow([cell["path"], cell["patient"], codes[number % 3]])
    recipe.write_text(ALONE.replace('"jhu18"', '"pbc8"'))
    train(smears, tmp_path / "labels.csv", tmp_path / "model", recipe=recipe, threads=1)
    card = load_model(tmp_path / "model").card
    assert card["scheme"] == "pbc8"
    assert card["metrics"]["validation"]["blasts"] == 0
    assert "error_model" not in card


def test_matek_2019s_network_trains_and_its_padding_is_exported(tmp_path: Path) -> None:
    from bloodcell.architectures.resnext import MATEK_2019
    from bloodcell.training.onnx_export import export_onnx

    small = replace(MATEK_2019, blocks=(1, 1, 1, 1), cardinality=2, output_channels=8,
                    stem_channels=4)  # fmt: skip
    export_onnx(small.build(3, 40), 40, tmp_path / "n.onnx")
    nodes = onnx.load(tmp_path / "n.onnx").graph.node
    assert "Pad" not in {node.op_type for node in nodes}
    pads = [list(a.ints) for node in nodes for a in node.attribute if a.name == "pads"]
    assert [2, 2, 3, 3] in pads  # 40 px halved by 7 px: five are lacking
    assert [0, 0, 1, 1] in pads
    assert [1, 1, 1, 1] in pads
