"""Training: resumes exactly, holds out whole patients, and its model folder scores."""

from pathlib import Path

import numpy as np
import pytest
import torch

import bloodcell
from bloodcell.engine.decode import Decoder
from bloodcell.errors import InputError
from bloodcell.model import load_model
from bloodcell.phantom import write_phantoms
from bloodcell.training import train
from bloodcell.training.augment import augment
from bloodcell.training.cells import LabelledCells, decode_all, hold_out_patients, labelled_cells
from bloodcell.training.fit import Pixels, Trainer, TrainingOptions
from bloodcell.training.recipe import PREPROCESSING
from bloodcell.training.resnext import Architecture, ResNeXt
from bloodcell.training.validation import fit_temperature

TINY = Architecture(
    blocks=(1, 1, 1, 1), cardinality=2, base_width=2, output_channels=8, stem_channels=4
)


def trainer(folder: Path) -> Trainer:
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    canvas = torch.randn(16, 3, 46, 46, generator=generator).half()
    exact = torch.randn(6, 3, 32, 32, generator=generator).half()
    return Trainer(
        folder,
        options=TrainingOptions(epochs=3, batch_size=8, architecture=TINY),
        training=Pixels(canvas, torch.arange(16) % 3),
        validation=Pixels(exact, torch.arange(6) % 3),
        class_count=3,
        blast_index=0,
        data={"labels_sha256": "00"},
    )


def test_training_resumed_after_a_stop_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = trainer(tmp_path / "through")
    through.fit()

    stopped = trainer(tmp_path / "stopped")
    train_epoch = stopped._train_epoch

    def stop_in_second_epoch(epoch: int) -> float:
        if epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(epoch)

    monkeypatch.setattr(stopped, "_train_epoch", stop_in_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit()
    resumed = trainer(tmp_path / "stopped")
    resumed.fit()
    assert len(resumed.history) == 3
    for name, expected in through.averaged.state_dict().items():
        assert torch.equal(resumed.averaged.state_dict()[name], expected), name


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).fit()
    other = trainer(tmp_path)
    other.job["seed"] = 2
    with pytest.raises(InputError, match="belongs to a training with other options"):
        other.fit()


def test_an_image_that_scoring_would_reject_is_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    cells = LabelledCells([str(tmp_path / "cut.jpg")], np.zeros(1, np.int64), np.array(["p"]))
    with pytest.raises(InputError, match=r"cut\.jpg would be rejected: truncated"):
        decode_all(cells, PREPROCESSING, threads=1)


def test_whole_patients_are_held_out() -> None:
    patients = np.repeat([f"p{i}" for i in range(20)], 5)
    labels = np.tile([0, 1, 1, 2, 2], 20)
    cells = LabelledCells(["x"] * 100, labels, patients)
    held_out = hold_out_patients(cells, share=0.15, blast_index=0, seed=3)
    chosen, kept = set(patients[held_out]), set(patients[~held_out])
    assert 2 <= len(chosen) <= 4
    assert chosen.isdisjoint(kept)


def test_a_model_folder_comes_out_that_scores(smears: Path, tmp_path: Path) -> None:
    data, model_folder = tmp_path / "cells", tmp_path / "model"
    write_phantoms(data, patients=4, cells=24)
    train(data, data / "labels.csv", model_folder, epochs=1, data_source="drawn cells")
    model = load_model(tmp_path / "model")
    assert model.card["training"]["data"]["source"] == "drawn cells"
    assert model.card["metrics"]["validation"]["patients"] == 1
    run = bloodcell.score(smears, tmp_path / "run", model=tmp_path / "model")
    assert run.about["scored"] == 72


def test_training_and_scoring_see_the_same_pixels(smears: Path) -> None:
    paths = sorted((smears / "phantom-000").iterdir())
    cells = LabelledCells(
        [str(p) for p in paths], np.zeros(len(paths), np.int64), np.array(["p"] * len(paths))
    )
    in_training = decode_all(cells, PREPROCESSING, threads=2).numpy()
    decoder = Decoder(PREPROCESSING, batch_size=5, threads=1)
    in_scoring = np.concatenate([decoder.decode([np.fromfile(p, np.uint8)])[0] for p in paths])
    assert np.array_equal(in_training, in_scoring.astype(np.float16))


def test_augmentation_changes_views_but_not_their_size() -> None:
    canvas = torch.randn(4, 3, 46, 46, generator=torch.Generator().manual_seed(0))
    first = augment(canvas, 32, torch.Generator().manual_seed(1))
    assert first.shape == (4, 3, 32, 32)
    assert torch.isfinite(first).all()
    assert torch.equal(first, augment(canvas, 32, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, augment(canvas, 32, torch.Generator().manual_seed(2)))


def test_temperature_undoes_a_known_sharpening() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 3, generator=generator) * 2
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator).squeeze(1)
    assert fit_temperature(logits * 3, labels) == pytest.approx(3, rel=0.1)


def test_the_default_architecture_is_as_described() -> None:
    network = ResNeXt(Architecture(), 18)
    grouped = [m for m in network.modules() if getattr(m, "groups", 1) > 1]
    assert [m.groups for m in grouped] == [8] * 8
    assert [m.out_channels // m.groups for m in grouped] == [8, 8, 16, 16, 32, 32, 64, 64]


def test_labels_that_do_not_fit_are_refused(smears: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    with pytest.raises(InputError, match="'pbc8' has no blast class"):
        train(smears, smears / "labels.csv", tmp_path / "model", scheme="pbc8")
    with pytest.raises(InputError, match="at least one batch of 64"):
        train(smears, smears / "labels.csv", tmp_path / "model")
    with pytest.raises(InputError, match="cannot read labels"):
        labelled_cells(smears, labels, ["a"])
    labels.write_text("path,class\nx.jpg,a\n")
    with pytest.raises(InputError, match=r"lacks the columns \['patient'\]"):
        labelled_cells(smears, labels, ["a"])
    labels.write_text("path,patient,class\nx.jpg,p,b\n")
    with pytest.raises(InputError, match=r"does not know: \['b'\]"):
        labelled_cells(smears, labels, ["a"])
