"""``run.json``: what stands in it is what is read back, and nothing else is taken for one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bloodcell
from bloodcell.errors import DiskError, RunError
from bloodcell.run_record import read_record, write_record


def test_a_run_knows_what_its_file_says(run: bloodcell.Run) -> None:
    assert run.about == json.loads((run.folder / "run.json").read_text())
    assert read_record(run.folder / "run.json") == run.record
    assert list(run.about) == [
        "job", "manifest_sha256", "scheme", "error_model", "why_not_adjusted", "model_folder",
        "backend", "preprocessing", "temperature", "started", "state", "classes", "letters",
        "prior_ratios", "cells", "scored", "rejected", "patients", "unstained", "unidentified",
        "session", "finished", "recalibration", "audit_head",
    ]  # fmt: skip


def test_what_is_not_known_yet_is_not_in_the_file(run: bloodcell.Run, tmp_path: Path) -> None:
    names = (
        "counts", "unstained", "unidentified", "session", "finished", "recalibration", "audit_head",
    )  # fmt: skip
    unknown = dict.fromkeys(names)
    begun = replace(run.record, state="running", **unknown)  # type: ignore[arg-type]
    write_record(tmp_path / "run.json", begun)
    assert list(json.loads((tmp_path / "run.json").read_text()))[-2:] == ["letters", "prior_ratios"]
    assert read_record(tmp_path / "run.json") == begun
    assert "device_memory_mib" not in run.about["session"]
    with pytest.raises(RunError, match="has no counts"):
        _ = replace(run, record=begun).counts


def test_an_error_model_that_is_not_there_is_null(run: bloodcell.Run, tmp_path: Path) -> None:
    without = replace(run.record, error_model=None)
    write_record(tmp_path / "run.json", without)
    assert json.loads((tmp_path / "run.json").read_text())["error_model"] is None
    assert read_record(tmp_path / "run.json") == without


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda about: about.update(left_out=[]), r"unknown are \['left_out'\]"),
        (lambda about: about["job"].update(seed=1), r"unknown are \['seed'\]"),
        (lambda about: about.pop("scheme"), r"lacks the entries \['scheme'\]"),
        (lambda about: about.pop("patients"), r"lacks the entries \['patients'\]"),
        (lambda about: about.update(cells="72"), "cells is '72'"),
        (lambda about: about.update(state="paused"), "state is 'paused'"),
        (lambda about: about.update(rejected={"empty": 0.5}), "rejected is 0.5"),
        (lambda about: about.update(job="score"), "job is 'score'"),
        (lambda about: about["preprocessing"].update(mean="grey"), "mean is 'grey'"),
        (lambda about: about["job"].update(interval_width=10**400), "interval_width is 1000"),
    ],
)
def test_a_damaged_file_is_refused_and_the_entry_named(
    run: bloodcell.Run, tmp_path: Path, spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    about = run.about
    spoil(about)
    (tmp_path / "run.json").write_text(json.dumps(about))
    with pytest.raises(RunError, match=message):
        bloodcell.open_run(tmp_path)


def test_one_that_is_nested_without_end_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(200_000 * "[")
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        bloodcell.open_run(tmp_path)


def test_what_cannot_be_read_or_written_is_named(run: bloodcell.Run, tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(RunError, match=r"cannot read .*run\.json: Is a directory"):
        bloodcell.open_run(tmp_path)
    with pytest.raises(DiskError, match=r"cannot write .*run\.json: Is a directory"):
        write_record(tmp_path / "run.json", run.record)
    with pytest.raises(RunError, match=r"patients\.parquet cannot be read"):
        _ = replace(run, folder=tmp_path).patients
