"""The page about run folders has every entry of ``run.json``."""

from dataclasses import fields

from helpers.pages import page

from bloodcell.run_record import Counts, ErrorModelBasis, Job, RunRecord, SessionFigures


def test_every_entry_of_run_json_stands_in_the_page() -> None:
    text = page("run-folder.md")
    for kind in (RunRecord, Counts, Job, ErrorModelBasis, SessionFigures):
        for field in fields(kind):
            assert field.name == "counts" or f"`{field.name}`" in text, field.name
