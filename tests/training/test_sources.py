"""Several sources: what their labels mean, what each can tell, which cells are kept back."""

import csv
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from helpers.tiny_recipe import TINY_RECIPE

from bloodcell.errors import InputError
from bloodcell.model import load_model
from bloodcell.training import train
from bloodcell.training.label_audit import CELLS, audit_labels
from bloodcell.training.lessons import Cells, gather, lessons_of
from bloodcell.training.losses import Batch, label_loss
from bloodcell.training.material import read_sources
from bloodcell.training.recipe import Source, read_recipe
from bloodcell.training.refit_differential import refit
from bloodcell.training.sources import KEPT_FOLD, NO_FOLD, keep_a_fifth, read_source
from bloodcell.training.task import Task

CODES = ["blast", "band", "segmented"]


def two_sources() -> Cells:
    """Four cells of a source that tells all, three of one that knows no blasts."""
    return Cells(
        label_sets=torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=torch.bool),
        told=torch.tensor([[1, 1, 1], [0, 1, 1]], dtype=torch.bool),
        labels=torch.tensor([0, 0, 0, 1, 1, 2, 3]),
        sources=torch.tensor([0, 0, 0, 0, 1, 1, 1]),
        patients=np.array(["p"] * 7),
    )


def test_a_source_teaches_nothing_of_classes_that_it_cannot_tell() -> None:
    cells = two_sources()
    lessons = lessons_of(cells, ["cells", "classes"], torch.arange(7), torch.ones(7))
    logits = torch.zeros(7, 3, requires_grad=True)
    batch = Batch(torch.empty(0), cells.labels, cells.sources, torch.ones(7))
    label_loss(lessons, 0.0)(logits, batch).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad[:4, 0] != 0).all()
    assert logits.grad[4:, 0].tolist() == [0, 0, 0]
    assert (logits.grad[4:6, 1:] != 0).all()


def test_a_label_of_two_classes_does_not_say_which() -> None:
    cells = two_sources()
    lessons = lessons_of(cells, ["cells", "classes"], torch.arange(7), torch.ones(7))
    loss = label_loss(lessons, 0.0)
    batch = Batch(torch.empty(0), cells.labels[6:], cells.sources[6:], torch.ones(1))
    by_either = [loss(torch.tensor([[0.0, a, b]]), batch) for a, b in ((5, 0), (0, 5), (0, 0))]
    assert torch.stack(by_either).tolist() == pytest.approx([0, 0, 0], abs=1e-6)


def test_what_a_source_shows_more_often_makes_no_class_likelier() -> None:
    """The first source has three blasts to a band, the second as many bands as segmented ones."""
    cells = two_sources()
    lessons = lessons_of(cells, ["cells", "classes"], torch.arange(7), torch.ones(7))
    first, second = lessons.log_prior.exp()
    assert first[0] > first[1]
    assert second.tolist() == pytest.approx([0, 0.5, 0.5])
    assert lessons.occurrence.exp().tolist() == pytest.approx([3 / 5, 1 / 5, 1 / 5])


def test_each_source_has_its_share_of_every_batch() -> None:
    cells = two_sources()
    trust = torch.ones(7)
    task = Task(
        canvases=torch.empty(0), cells=cells, trust=trust, training=torch.arange(7),
        held_out=torch.empty(0), held_out_pixels=torch.empty(0),
        lessons=lessons_of(cells, ["cells", "classes"], torch.arange(7), trust),
        samplings=("cells", "classes"), shares=(0.4, 0.6), mean=torch.zeros(3),
        std=torch.ones(3), region=0.7, stain_strength=1.0, blast_index=0,
    )  # fmt: skip
    batches = task.batches(5, torch.Generator().manual_seed(1))
    assert batches.shape == (2, 5)
    assert sorted(batches[:, :2].flatten().tolist()) == [0, 1, 2, 3]
    assert (cells.sources[batches[:, 2:]] == 1).all()
    again = task.batches(5, torch.Generator().manual_seed(1))
    assert torch.equal(batches, again)


def source(folder: str, **more: Any) -> Source:
    return Source(name=folder, images=folder, labels="labels.csv", share=1.0, data={}, **more)


def labels_of(smears: Path) -> list[dict[str, str]]:
    with (smears / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_are_mapped_to_classes_or_left_out(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "path,patient,class\na.png,p,band\nb.png,p,neutrophil\nc.png,q,artefact\n"
    )
    classes = {"neutrophil": ("band", "segmented"), "artefact": ()}
    read = read_source(source(".", classes=classes), tmp_path, CODES)
    assert read.images["path"].to_pylist() == ["a.png", "b.png"]
    assert read.patients.tolist() == ["p", "p"]
    cells = gather([read], CODES)
    assert cells.label_sets[cells.labels].tolist() == [[False, True, False], [False, True, True]]


@pytest.mark.parametrize("form", ["shards", "manifest"])
def test_images_may_lie_in_shards_or_be_named_by_a_manifest(
    smears: Path, tmp_path: Path, form: str
) -> None:
    rows = labels_of(smears)
    recipe = read_recipe("resnext26")
    codes = load_model().scheme.codes
    if form == "shards":
        (tmp_path / "shards").mkdir()
        with tarfile.open(tmp_path / "shards" / "a.tar", "w") as tar:
            for patient in sorted({row["patient"] for row in rows}):
                tar.add(smears / patient, patient)
        paths = [f"a.tar/{row['path']}" for row in rows]
        images = "shards"
    else:
        shutil.copytree(smears, tmp_path / "below")
        paths = [f"below/{row['path']}" for row in rows]
        images = "manifest.csv"
        (tmp_path / images).write_text(
            "path,patient\n"
            + "".join(f"{p},{r['patient']}\n" for p, r in zip(paths, rows, strict=True))
        )
    (tmp_path / "labels.csv").write_text(
        "path,class\n" + "".join(f"{p},{r['class']}\n" for p, r in zip(paths, rows, strict=True))
    )
    read = read_source(source(images), tmp_path, codes)
    assert read.patients.tolist() == [row["patient"] for row in rows]
    assert read.labels.tolist() == [row["class"] for row in rows]
    from bloodcell.training.cells import decode_pixels

    plain = read_source(
        Source(name="p", images=".", labels="labels.csv", share=1.0, data={}), smears, codes
    )
    chosen = torch.arange(5)
    assert torch.equal(
        decode_pixels([read], chosen, recipe.preprocessing, 1),
        decode_pixels([plain], chosen, recipe.preprocessing, 1),
    )
    (tmp_path / "labels.csv").write_text("path,class\nnowhere.png,lymphocyte\n")
    with pytest.raises(InputError, match=r"has no image 'nowhere\.png'"):
        read_source(source(images), tmp_path, codes)


def test_a_fifth_is_kept_by_the_bytes_whatever_the_name(smears: Path, tmp_path: Path) -> None:
    codes = load_model().scheme.codes
    first = read_source(source("."), smears, codes)
    fold = keep_a_fifth(first)
    assert set(fold.tolist()) == {KEPT_FOLD, NO_FOLD}
    assert 3 <= (fold == KEPT_FOLD).sum() <= 30
    rows = labels_of(smears)
    for number, row in enumerate(rows):
        shutil.copy(smears / row["path"], tmp_path / f"{number}.x")
    (tmp_path / "labels.csv").write_text(
        "path,class\n" + "".join(f"{n}.x,{row['class']}\n" for n, row in enumerate(rows))
    )
    assert keep_a_fifth(read_source(source("."), tmp_path, codes)).tolist() == fold.tolist()


TWO = (
    TINY_RECIPE.replace("folds = 4", "folds = 3").replace("batch_size = 16", "batch_size = 8")
    + """
[doubts]
families = ["lite0"]
[[source]]
name = "smears"
images = "smears"
labels = "smears/labels.csv"
share = 0.5
data = { source = "drawn cells", licence = "free", limits = "drawn" }
[[source]]
name = "donors"
images = "smears"
labels = "donors.csv"
share = 0.5
sampling = "classes"
tells = ["lymphocyte", "segmented_neutrophils", "band_neutrophils"]
classes = { neutrophil = ["segmented_neutrophils", "band_neutrophils"], other = [] }
data = { source = "the same", licence = "free", limits = "no patients" }
"""
)


@pytest.fixture
def two(smears: Path, tmp_path: Path) -> Path:
    """A folder with two sources and the recipe for both."""
    shutil.copytree(smears, tmp_path / "smears")
    names = {"lymphocyte": "lymphocyte", "segmented_neutrophils": "neutrophil"}
    rows = [f"{r['path']},{names.get(r['class'], 'other')}\n" for r in labels_of(smears)]
    (tmp_path / "donors.csv").write_text("path,class\n" + "".join(rows))
    (tmp_path / "two.toml").write_text(TWO)
    return tmp_path


def test_one_network_of_two_sources_comes_out_with_both_in_its_card(two: Path) -> None:
    folder = two / "model"
    train(two, None, folder, recipe=two / "two.toml")
    card = load_model(folder).card
    first, second = card["training"]["source"]
    assert (first["name"], first["share"], first["cells"]) == ("smears", 0.5, 72)
    assert second["data"]["limits"] == "no patients"
    assert "images" not in second
    kept = card["metrics"]["kept"]["donors"]
    assert kept["cells"] == sum(row["n"] for row in kept["class"]) > 0
    assert 0 < kept["leukocytes"] <= kept["cells"]
    assert card["metrics"]["validation"]["cells"] == 72
    refit(folder, two, str(two / "two.toml"))
    assert load_model(folder).card["metrics"]["kept"] == card["metrics"]["kept"]
    with pytest.raises(InputError, match=r"learnt from the sources \['smears', 'donors'\]"):
        refit(folder, two, "two-sources")
    with pytest.raises(InputError, match="leave out --labels"):
        train(two, two / "donors.csv", folder, recipe=two / "two.toml")


def test_a_source_without_patients_is_not_judged(two: Path) -> None:
    recipe = (two / "two.toml").read_text()
    (two / "two.toml").write_text(recipe.replace("smears/labels.csv", "donors.csv"))
    with pytest.raises(InputError, match="does not know: \\['neutrophil', 'other'\\]"):
        read_sources(read_recipe(two / "two.toml"), two)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share = 0.5", "share = 0.7", "the sources' shares add up to 1.2"),
        ("share = 0.7", "share = 1.0", "share: Input should be less than 1"),
        ('"lite0"]', '"vgg"]', "doubts.families.0"),
    ],
)
def test_a_recipe_of_sources_at_fault_is_refused(
    two: Path, old: str, new: str, message: str
) -> None:
    (two / "two.toml").write_text(TWO.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_recipe(two / "two.toml")


def test_an_audit_lists_every_cell_and_rates_patients_and_classes(two: Path) -> None:
    tables = audit_labels(two, None, two / "audit", recipe=two / "two.toml")
    cells = pq.read_table(two / "audit" / CELLS)
    assert cells.column_names == ["path", "patient", "class", "doubt", "is_doubted", "likeliest"]
    assert cells.num_rows == 72
    assert tables["patients.csv"]["cells"].to_pylist() == [24, 24, 24]
    assert sum(tables["classes.csv"]["cells"].to_pylist()) == 72
    with pytest.raises(InputError, match=r"has no \[doubts\]"):
        audit_labels(two / "smears", two / "smears/labels.csv", two / "b", recipe="resnext26")
