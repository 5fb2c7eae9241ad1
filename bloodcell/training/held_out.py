"""The held-out cells in a model folder, and what its card states of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.evaluation.join import Joined
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


def card_tables(cells: Joined, folds: int) -> dict[str, Any]:
    """``[metrics]`` of a card and, unless the cells are too few for it, ``[error_model]``."""
    tables: dict[str, Any] = {"metrics": {"validation": held_out_figures(cells)}}
    error_model = held_out_error_model(cells, f"each held out of training in one of {folds} folds")
    if error_model:
        tables["error_model"] = error_model.to_card()
    return tables
