"""Recipes: read and refused, whole patients held out, a model folder that scores."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers.lessons import cells_of, lessons_for
from helpers.tiny_recipe import TINY, TINY_RECIPE

import bloodcell
from bloodcell.architectures.resnext import RESNEXT50_32X4D, ResNeXt
from bloodcell.architectures.table import ARCHITECTURES
from bloodcell.engine.decode import Decoder
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import InputError
from bloodcell.model import load_model
from bloodcell.training import teacher, train
from bloodcell.training.cells import decode_pixels
from bloodcell.training.crossvalidation import CrossValidation, Material
from bloodcell.training.onnx_export import gmacs_of, parameters_of
from bloodcell.training.recipe import Source, read_recipe, recipe_names
from bloodcell.training.sources import SourceCells, deal_patients, read_source
from bloodcell.training.task import Task


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_RECIPE)
    return path


def test_a_model_folder_comes_out_that_scores(smears: Path, recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    recipe.write_text(TINY_RECIPE.replace("folds = 4", "folds = 2"))
    steps: list[tuple[int, int]] = []
    train(
        smears, smears / "labels.csv", folder, recipe=recipe, data_source="drawn cells",
        progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    # Two of three patients of 24 cells are held out, then the third, then none: 1 + 3 + 4 batches
    # of 16, and as many for the teachers.
    assert steps[-1] == (16, 16)
    assert (folder / "teacher-lite0" / "checkpoint.pt").is_file()
    assert (folder / "fold-1" / "checkpoint.pt").is_file()
    card = load_model(folder).card
    (source,) = card["training"]["source"]
    assert source["data"] == {
        "source": "drawn cells", "licence": "not stated", "limits": "not stated"
    }  # fmt: skip
    assert source["cells"] == 72
    assert card["training"]["teacher"][0]["course"]["epochs"] == 1
    assert "ImageNet" in card["training"]["families"]["lite0"]
    held_out = card["metrics"]["validation"]
    assert held_out["patients"] == 3
    assert held_out["cells"] == 72 == sum(row["n"] for row in held_out["class"])
    everybody = [f"phantom-00{number}" for number in range(3)]
    assert [row["patient"] for row in held_out["patient"]] == everybody
    assert card["training"]["patients"] == everybody
    assert (folder / "training.svg").read_text().startswith("<?xml")
    log = list(csv.DictReader((folder / "training.csv").read_text().splitlines()))
    parts = [f"fold-{k}{end}" for k in range(2) for end in (" teacher lite0", "")]
    assert [row["part"] for row in log] == [*parts, "all teacher lite0", "all"]
    assert float(log[0]["validation_loss"]) > 0
    assert log[-1]["validation_loss"] == ""
    cells = pq.read_table(folder / "held_out.parquet")
    assert cells.column_names == [
        "patient", "label", "called", "blast_probability", "top_probability", "logits",
    ]  # fmt: skip
    unidentified = [top < 0.5 for top in cells["top_probability"].to_pylist()]
    assert held_out["unidentified"]["cells"] == sum(unidentified)
    assert held_out["unidentified"]["percent"] == pytest.approx(100 * sum(unidentified) / 72)
    assert sorted(set(cells["patient"].to_pylist())) == everybody
    assert cells.num_rows == 72
    run = bloodcell.score(smears, tmp_path / "run", model=folder)
    assert run.about["scored"] == 72


def test_every_shipped_recipe_names_a_network_that_can_be_built() -> None:
    folds = {name: read_recipe(name).validation.folds for name in recipe_names()}
    assert folds == {
        "acevedo-inception-small": 2, "acevedo-vgg16-small": 2, "resnext14": 3, "resnext26": 3,
        "resnext50": 3, "two-sources": 3,
    }  # fmt: skip
    assert {read_recipe(name).architecture for name in folds} <= set(ARCHITECTURES)


def test_resnext50_is_the_published_one() -> None:
    network = ResNeXt(RESNEXT50_32X4D, 1000)
    # Xie et al. 2017 give 25.0 million and 4.2 thousand million at 224 px.
    assert parameters_of(network) == 25_028_904
    assert gmacs_of(network, 224) == pytest.approx(4.2, abs=0.1)
    grouped = [m for m in network.modules() if getattr(m, "groups", 1) > 1]
    assert [(m.groups, m.out_channels) for m in grouped[::5]] == [
        (32, 128), (32, 256), (32, 512), (32, 1024)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 1", "sead = 1", "seed: Field required; sead: Unexpected keyword argument"),
        ("epochs = 1", 'epochs = "many"', "course.epochs: Input should be a valid integer"),
        ("share = 0.7", "share = 1.5", "teacher.0.share: Input should be less than 1"),
        ("region = 0.7", "region = 7", "preprocessing.region is 7.0, at most 1 is expected"),
        ("folds = 4", "folds = 1", "validation.folds: Input should be greater than or equal to 2"),
        ("seed = 1", "seed = ", "not valid TOML"),
        ("seed = 1", "seed = true", "seed: Input should be a valid integer"),
        ("epochs = 1", "epochs = true", "course.epochs: Input should be a valid integer"),
        ("1e-3", '"3e-3"', "course.peak_learning_rate: Input should be a valid number"),
        ("1e-3", "inf", "course.peak_learning_rate: Input should be a finite number"),
        ("decay = 0.05", "decay = inf", "course.weight_decay: Input should be a finite number"),
        ("seed = 1", "seed = 1\nstain_strength = inf", "stain_strength: Input should be a finite"),
        ("seed = 1", "seed = 1\nfrozen = true", "frozen = true leaves the [[teacher]]s nothing"),
        ("first_side_px = 64", "first_side_px = 65", "course.first_side_px = 65 is above"),
        (
            'network = "lite0"',
            'network = "vit_s"',
            "the teacher vit_s takes views whose side is a multiple of 14 px: its course has [64, ",
        ),
        (
            "input_px = 64",
            "input_px = 65",
            "course.last_side_px: views of 64 px end in a feature map",
        ),
    ],
)
def test_a_recipe_at_fault_is_refused_by_the_entry(
    recipe: Path, old: str, new: str, message: str
) -> None:
    recipe.write_text(TINY_RECIPE.replace(old, new, 1))
    with pytest.raises(InputError, match=r"tiny\.toml") as caught:
        read_recipe(recipe)
    assert message in str(caught.value)


def test_a_whole_number_is_a_number_and_a_source_has_a_name(recipe: Path) -> None:
    recipe.write_text(TINY_RECIPE.replace("weight_decay = 0.05", "weight_decay = 0"))
    assert read_recipe(recipe).course.weight_decay == 0
    nameless = '[[source]]\nname = ""\nimages = "."\nlabels = "l.csv"\nshare = 1\ndata = {}\n'
    recipe.write_text(TINY_RECIPE + nameless)
    with pytest.raises(InputError, match=r"source\.0\.name: String should have at least 1"):
        read_recipe(recipe)


def test_two_teachers_of_one_name_would_take_each_others_weights(recipe: Path) -> None:
    teacher = TINY_RECIPE[TINY_RECIPE.index("[[teacher]]") :]
    recipe.write_text(TINY_RECIPE + teacher)
    with pytest.raises(InputError, match=r"teacher.*'lite0'.* more than once"):
        read_recipe(recipe)


def test_a_recipe_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(InputError, match="resnext14, resnext26, resnext50, two-sources"):
        read_recipe("resnext99")


def test_whole_patients_are_held_out_and_every_patient_once() -> None:
    patients = np.repeat([f"p{i:02}" for i in range(20)], 5)
    labels = np.array([[0] * (i // 4) + [1] * (5 - i // 4) for i in range(20)]).ravel()
    fold = deal_patients(patients, labels == 0, folds=5)
    for number in range(5):
        chosen = np.unique(patients[fold == number])
        assert len(chosen) == 4
        assert (fold == number).sum() == 20  # all five cells of each
    # Dealt by blast share: 0 in each of the first four patients, and so on.
    assert np.unique(patients[fold == 0]).tolist() == ["p00", "p05", "p10", "p15"]
    with pytest.raises(InputError, match="30 folds need at least 30 patients, the labels have 20"):
        deal_patients(patients, labels == 0, folds=30)
    with pytest.raises(InputError, match="need a patient for every cell"):
        deal_patients(np.array(["p", ""]), np.array([True, False]), folds=2)


@pytest.mark.parametrize("with_teacher", [False, True])
def test_a_network_never_sees_the_patients_that_judge_it(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_teacher: bool
) -> None:
    """Each patient's cells are a class of their own: who never saw it finds it unlikely.

    The network learns from its teacher alone where it has one: whom that saw is known to both.
    """
    monkeypatch.setitem(ARCHITECTURES, "tiny", TINY)
    monkeypatch.setattr(teacher, "open_encoder", lambda _family, _preprocessing: None)
    monkeypatch.setattr(teacher, "Taught", lambda _encoder, classes: ResNeXt(TINY, classes))
    generator = torch.Generator().manual_seed(0)
    fold = torch.arange(64) % 4
    cells = cells_of(fold.tolist(), classes=18)
    task = Task(
        canvases=torch.randint(256, (64, 3, 91, 91), generator=generator, dtype=torch.uint8),
        cells=cells,
        trust=torch.ones(64),
        training=torch.arange(64),
        held_out=torch.empty(0, dtype=torch.int64),
        held_out_pixels=torch.empty(0),
        lessons=lessons_for(cells),
        samplings=("cells",),
        shares=(1.0,),
        mean=torch.full((3,), 0.5),
        std=torch.full((3,), 0.3),
        region=0.7,
        stain_strength=1.0,
        blast_index=0,
    )
    quick = TINY_RECIPE.replace("resnext14_4x16d", "tiny").replace("share = 0.7", "share = 0.99")
    quick = quick.replace("size = 16", "size = 4").replace("1e-3", "5e-2")
    recipe.write_text(quick if with_teacher else quick.split("[[teacher]]")[0])
    material = Material(
        task=task,
        fold_of_cell=fold,
        pixels_of=lambda rows: torch.zeros(len(rows), 3, 64, 64),
        trust_in=lambda _rows: torch.ones(64),
        smears=None,
    )
    validation = CrossValidation(
        tmp_path / "out", material, read_recipe(recipe), {}, lambda _count: None
    )
    logits = validation.run().held_out_logits
    for number in range(4):
        own = fold == number
        assert (logits[own][:, :4].argmin(dim=1) == number).all()


def plain_source(paths: list[str]) -> SourceCells:
    """Images by absolute paths, each of one patient and labelled a lymphocyte."""
    table = pa.table({"row": np.arange(len(paths)), "path": paths})
    names, patients = np.array(["lymphocyte"] * len(paths)), np.array(["p"] * len(paths))
    classes = {"lymphocyte": ("lymphocyte",)}
    return SourceCells("plain", Path("/"), table, names, patients, classes, ("lymphocyte",))


@pytest.mark.real_data
def test_a_hundred_real_cells_are_the_same_pixels_in_training_and_scoring(real_data: Path) -> None:
    folder = real_data / "aml-apl" / "test"
    paths = [str(path) for path in sorted(folder.glob("*/*.jpg"))[::16][:100]]
    preprocessing = load_model().preprocessing
    in_training = decode_pixels([plain_source(paths)], torch.arange(100), preprocessing, threads=2)
    table = pa.table({"row": np.arange(100), "path": paths})
    decoder = Decoder(preprocessing, batch_size=7, threads=1)
    encoded = read_files(Path("/"), batches_of(table, 7))
    in_scoring = [decoder.decode_batch(batch).pixels for batch in encoded]
    assert in_training.dtype == torch.float32
    assert np.array_equal(in_training.numpy(), np.concatenate(in_scoring))


def test_an_image_that_scoring_would_reject_is_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    cells = [plain_source([str(tmp_path / "cut.jpg")])]
    with pytest.raises(InputError, match=r"cut\.jpg would be rejected: cut short"):
        decode_pixels(cells, torch.arange(1), load_model().preprocessing, threads=1)


def test_labels_that_do_not_fit_are_refused(smears: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(InputError, match="4 folds need at least 4 patients"):
        train(smears, smears / "labels.csv", out, recipe=recipe)
    with pytest.raises(InputError, match=r"names the model 'a\\tb': printable signs"):
        train(smears, smears / "labels.csv", tmp_path / "a\tb", recipe=recipe)
    with pytest.raises(InputError, match="give --labels"):
        train(smears, None, out, recipe=recipe)
    recipe.write_text(
        TINY_RECIPE.replace("folds = 4", "folds = 3").replace("size = 16", "size = 64")
    )
    with pytest.raises(InputError, match="at least one batch of 64"):
        train(smears, smears / "labels.csv", out, recipe=recipe)
    recipe.write_text(TINY_RECIPE.replace('"jhu18"', '"pbc8"'))
    recipe.write_text(TINY_RECIPE.replace("resnext14_4x16d", "vgg19"))
    with pytest.raises(InputError, match="unknown architecture 'vgg19': known are resnext14_4x16d"):
        train(smears, smears / "labels.csv", out, recipe=recipe)


def source_of(labels: Path, **more: Any) -> Source:
    return Source(name="s", images=".", labels=str(labels), share=1.0, data={}, **more)


def test_labels_of_a_source_that_cannot_be_read_are_refused(smears: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    with pytest.raises(InputError, match="cannot read labels"):
        read_source(source_of(labels), smears, ["a"])
    labels.write_text("path,patient\nx.jpg,p\n")
    with pytest.raises(InputError, match=r"lacks the columns \['class'\]"):
        read_source(source_of(labels), smears, ["a"])
    labels.write_text("path,patient,class\nx.jpg,p,b\n")
    with pytest.raises(InputError, match=r"does not know: \['b'\]"):
        read_source(source_of(labels), smears, ["a"])
    for entry, wrong in (
        ("`tells`", source_of(labels, tells=("a", "c"))),
        (r"\[source.classes\] 'b'", source_of(labels, classes={"b": "c"})),
    ):
        with pytest.raises(InputError, match=rf"recipe's source 's': {entry} names .*\['c'\]"):
            read_source(wrong, smears, ["a", "b"])
    with pytest.raises(InputError, match=r"`tells` lacks the classes of its labels \['b'\]"):
        read_source(source_of(labels, tells=("a",)), smears, ["a", "b"])
