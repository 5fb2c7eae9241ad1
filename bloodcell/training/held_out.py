"""The held-out cells in a model folder, and what its card states of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from bloodcell.errors import ModelError
from bloodcell.evaluation.join import Joined
from bloodcell.files import write_whole
from bloodcell.scheme import Scheme, load_scheme
from bloodcell.toml import read_toml
from bloodcell.training.validation import held_out_error_model, held_out_figures

HELD_OUT = "held_out.parquet"


def write_held_out(folder: Path, cells: Joined) -> None:
    """Write what the card's figures and error model rest on, so that both can be made again."""
    columns = {
        "patient": pa.array(cells.patient).dictionary_encode(),
        "label": pa.array(cells.label).dictionary_encode(),
        "called": pa.array(cells.called).dictionary_encode(),
        "blast_probability": pa.array(cells.blast_probability, pa.float32()),
    }
    pq.write_table(pa.table(columns), folder / HELD_OUT)


def read_held_out(folder: Path, scheme: Scheme) -> Joined:
    """The cells of ``write_held_out``; ModelError if the folder has none."""
    path = folder / HELD_OUT
    if not path.is_file():
        raise ModelError(f"{path} is missing: only a folder that `bloodcell train` wrote has it")
    table = pq.read_table(path).to_pydict()
    patient, label, called = (np.array(table[name]) for name in ("patient", "label", "called"))
    return Joined(
        patient=patient,
        label=label,
        called=called,
        blast_probability=np.array(table["blast_probability"], np.float64),
        label_scheme=scheme,
        run_scheme=scheme,
        cells={"labelled": len(patient), "rejected": 0, "unlabelled": 0, "labels_not_in_run": 0},
    )


def card_tables(cells: Joined, folds: int) -> dict[str, Any]:
    """``[metrics]`` of a card and, unless the cells are too few for it, ``[error_model]``."""
    tables: dict[str, Any] = {"metrics": {"validation": held_out_figures(cells)}}
    error_model = held_out_error_model(cells, f"each held out of training in one of {folds} folds")
    if error_model:
        tables["error_model"] = error_model.to_card()
    return tables


def renew_card(folder: Path) -> None:
    """Make figures and error model in the card of ``folder`` anew, by this version's statistics.

    From the held-out cells that `bloodcell train` left there; nothing is trained or calibrated.
    ModelError if there are none.
    """
    card = read_toml(folder / "card.toml", ModelError)
    cells = read_held_out(folder, load_scheme(card["scheme"]))
    kept = {name: card[name] for name in card if name not in ("metrics", "error_model")}
    renewed = kept | card_tables(cells, card["training"]["validation"]["folds"])
    write_whole(folder / "card.toml", lambda path: path.write_text(tomli_w.dumps(renewed), "utf-8"))
