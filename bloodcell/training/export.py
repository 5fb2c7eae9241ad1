"""A trained network as a model folder: weights, card, held-out cells, the training's course."""

import csv
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w
import torch
from torch import nn

from bloodcell.error_model.refit import HELD_OUT
from bloodcell.evaluation.join import Joined
from bloodcell.files import sha256_of, write_whole, writing
from bloodcell.paths import model_name_of
from bloodcell.plots import save_svg
from bloodcell.scheme import Scheme, copied_scheme, load_scheme
from bloodcell.training.curves import draw_curves
from bloodcell.training.differential import RESTS_ON
from bloodcell.training.onnx_export import export_onnx, gmacs_of, parameters_of
from bloodcell.training.recipe import ORIGINS, Head, Recipe, families_of
from bloodcell.training.validation import Calibration, held_out_error_model, held_out_figures


def write_model_folder(
    folder: Path,
    *,
    network: nn.Module,
    scheme: Scheme,
    recipe: Recipe,
    sources: list[dict[str, Any]],
    patients: list[str],
    calibration: Calibration,
    held_out: Joined,
    held_out_logits: torch.Tensor,
    kept: dict[str, dict[str, Any]],
    history: list[dict[str, Any]],
    smears: dict[str, Any] | None,
    head: Head = "softmax",
) -> None:
    """Write the folder; ModelError if ONNX Runtime's logits are not torch's, DiskError.

    ``sources``: what the card states of each besides its part of the recipe; ``patients``: those of
    the first; ``held_out_logits``: float32 (N, C), of ``held_out``, without offsets; ``kept``: of
    others, by name, what ``kept_figures`` says; ``smears``: the table of that name.
    """
    weights = folder / "model.onnx"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(weights, partial(export_onnx, network, recipe.preprocessing.input_px))
    table = recipe_table(recipe)
    card: dict[str, Any] = {
        "name": model_name_of(folder),
        "version": "1",
        "scheme": table.pop("scheme"),
        **copied_scheme(recipe.scheme, folder),
        "classes": scheme.codes,
        "label_map_sha256": scheme.label_map_sha256,
        "weights_sha256": sha256_of(weights),
        "parameters": parameters_of(network),
        "gmacs": gmacs_of(network, recipe.preprocessing.input_px),
        "intended_use": "Research use only: not a medical device, never a diagnosis.",
        "preprocessing": table.pop("preprocessing"),
        "calibration": _calibration_table(calibration),
        "training": {**table, "head": head, "torch": torch.__version__, "patients": patients},
        **card_tables(held_out, recipe.validation.folds),
    }
    if families := families_of(recipe):
        card["training"]["families"] = {family: ORIGINS[family] for family in families}
    if smears:
        card["smears"] = smears
    for entry, more in zip(table["source"], sources, strict=True):
        entry.update(more)
    if kept:
        card["metrics"]["kept"] = kept
    write_held_out(folder, held_out, held_out_logits)
    if history:
        write_whole(folder / "training.csv", partial(_write_history, history))
        save_svg(draw_curves(history, card["name"]), folder / "training.svg")
    # Last: weights without the card that names their digest are no model.
    write_whole(folder / "card.toml", lambda path: path.write_text(tomli_w.dumps(card), "utf-8"))


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as TOML has it, without where the sources' files lie."""
    table: dict[str, Any] = asdict(recipe, dict_factory=_without_none)
    table["scheme"] = load_scheme(recipe.scheme).name
    if recipe.weights:
        table["weights"] = Path(recipe.weights).name
    for source in table["source"]:
        del source["images"], source["labels"]
    return table


def card_tables(cells: Joined, folds: int) -> dict[str, Any]:
    """``[metrics]`` of a card and, unless the cells are too few for it, ``[error_model]``."""
    tables: dict[str, Any] = {"metrics": {"validation": held_out_figures(cells)}}
    error_model = held_out_error_model(cells, f"each held out of training in one of {folds} folds")
    return tables | ({"error_model": error_model.to_card()} if error_model else {})


def _calibration_table(calibration: Calibration) -> dict[str, Any]:
    table: dict[str, Any] = {
        "temperature": calibration.temperature,
        "pixels": "dali",
        "offsets_in_weights": [round(float(o), 4) for o in calibration.offsets],
        "rests_on": "the cells of [metrics.validation], each by the network that never saw its "
        "patient; the figures there are by the calibration of the other patients, blast_auroc "
        "by this one",
    }
    if calibration.prior_ratios:
        table["prior_ratios"] = list(calibration.prior_ratios)
        table["prior_ratios_rest_on"] = RESTS_ON
    return table


def write_held_out(folder: Path, cells: Joined, logits: torch.Tensor) -> None:
    """Write what the card's figures and error model rest on, so that both can be made again.

    ``logits`` float32 (N, C), from which calibrations can be.
    """
    halves = pa.array(logits.numpy().astype(np.float16).reshape(-1))
    columns = {
        "patient": pa.array(cells.patient).dictionary_encode(),
        "label": pa.array(cells.label).dictionary_encode(),
        "called": pa.array(cells.called).dictionary_encode(),
        "blast_probability": pa.array(cells.blast_probability, pa.float32()),
        "top_probability": pa.array(cells.top_probability, pa.float32()),
        "logits": pa.FixedSizeListArray.from_arrays(halves, logits.shape[1]),
    }
    write_whole(folder / HELD_OUT, partial(pq.write_table, pa.table(columns)))


def _write_history(history: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        # The network of all patients has nobody left to be judged by: those columns stay empty.
        writer = csv.DictWriter(file, list(history[0]), restval="")
        writer.writeheader()
        writer.writerows(history)


def _without_none(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if value is not None}
