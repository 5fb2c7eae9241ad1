"""Classes of one's own: trained, scored, evaluated, and known from the run alone."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.tiny_recipe import TINY_RECIPE

import bloodcell
from bloodcell.errors import ModelError
from bloodcell.evaluation import evaluate
from bloodcell.model import load_model
from bloodcell.report import write_report
from bloodcell.training import train

OURS = """
title = "Three classes"
source = "drawn"
[[class]]
code = "BLA"
name = "Blast"
role = "blast"
[[class]]
code = "NEU"
name = "Neutrophil"
role = "leukocyte"
[[class]]
code = "REST"
name = "The rest"
role = "excluded"
[letters]
N = "NEU"
X = "BLA"
R = "REST"
"""

MEANT = {"blast_no_lineage_spec": "BLA", "segmented_neutrophils": "NEU", "band_neutrophils": "NEU"}


@pytest.fixture(scope="module")
def labels(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "labels.csv"
    with (smears / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [f"{r['path']},{r['patient']},{MEANT.get(r['class'], 'REST')}\n" for r in rows]
    path.write_text("path,patient,class\n" + "".join(lines))
    return path


@pytest.fixture(scope="module")
def model(smears: Path, labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "ours.toml").write_text(OURS)
    recipe = folder / "tiny.toml"
    recipe.write_text(TINY_RECIPE.replace("folds = 4", "folds = 2").split("[[teacher]]")[0])
    train(smears, labels, folder / "model", recipe=recipe, scheme=folder / "ours.toml")
    (folder / "ours.toml").unlink()  # the model folder has its own copy
    return folder / "model"


def test_a_network_of_ones_own_classes_scores_and_is_evaluated(
    smears: Path, labels: Path, model: Path, tmp_path: Path
) -> None:
    run = bloodcell.score(smears, tmp_path / "run", model=model, backend="onnxruntime")
    assert [c.code for c in run.record.classes] == ["BLA", "NEU", "REST"]
    shutil.move(model, tmp_path / "elsewhere")
    try:
        opened = bloodcell.open_run(tmp_path / "run")
        figures = evaluate(opened, labels)
        write_report(opened)
        assert opened.scheme.letters == (("N", "NEU"), ("X", "BLA"), ("R", "REST"))
    finally:
        shutil.move(tmp_path / "elsewhere", model)
    assert (figures["label_scheme"], figures["run_scheme"]) == ("ours", "ours")
    assert sum(row["n"] for row in figures["classes"]) == 72


def test_the_order_of_the_classes_stands_in_the_run(
    smears: Path, model: Path, tmp_path: Path
) -> None:
    bloodcell.score(smears, tmp_path / "run", model=model, backend="onnxruntime")
    (part,) = (tmp_path / "run" / "cells").glob("*.parquet")
    metadata = pq.read_schema(part).metadata
    assert json.loads(metadata[b"bloodcell.classes"]) == ["BLA", "NEU", "REST"]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [c["code"] for c in record["classes"]] == ["BLA", "NEU", "REST"]
    assert [c["role"] for c in record["classes"]] == ["blast", "leukocyte", "excluded"]


def test_a_scheme_that_was_changed_since_is_refused(model: Path, tmp_path: Path) -> None:
    assert load_model(model).scheme.codes == ["BLA", "NEU", "REST"]
    shutil.copytree(model, tmp_path / "model")
    scheme = tmp_path / "model" / "scheme.toml"
    scheme.write_text(scheme.read_text().replace('"leukocyte"', '"blast"'))
    with pytest.raises(ModelError, match="not the scheme that the card states"):
        load_model(tmp_path / "model")
    scheme.unlink()
    with pytest.raises(ModelError, match="is missing"):
        load_model(tmp_path / "model")
