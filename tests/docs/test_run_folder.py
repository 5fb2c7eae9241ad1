"""The page about run folders has every entry of ``run.json`` and of ``evaluation.json``."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from helpers.labelled_runs import BLAST, labels, run_of
from helpers.pages import page, quoted

from bloodcell.evaluation import evaluate
from bloodcell.run_record import Counts, ErrorModelBasis, Job, RunRecord, SessionFigures


def test_every_entry_of_run_json_stands_in_the_page() -> None:
    text = page("run-folder.md")
    for kind in (RunRecord, Counts, Job, ErrorModelBasis, SessionFigures):
        for field in fields(kind):
            assert field.name == "counts" or f"`{field.name}`" in text, field.name


def keys(entries: Any) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else [entries]:
        for key, value in entry.items() if isinstance(entry, dict) else ():
            yield key
            yield from keys(value)


def test_every_key_of_evaluation_json_stands_in_the_page(tmp_path: Path) -> None:
    cells = [("a", "p", BLAST, 0.9), ("b", "p", "lymphocyte", 0.1), ("c", "q", BLAST, 0.7)]
    run = run_of(tmp_path, cells, adjusted={"p": (40.0, 20.0, 60.0)})
    table = labels(tmp_path, f"a,{BLAST}", "b,lymphocyte", "c,monocyte")
    told = {word for name in quoted(page("run-folder.md")) for word in re.findall(r"\w+", name)}
    for key in keys(evaluate(run, table)):
        # Ends of an interval are told with what they are of.
        assert re.sub("_(low|high)$", "", key) in told, key
