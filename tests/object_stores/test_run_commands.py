"""What else is done with a run: at a URL as in a folder."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from helpers.object_stores import BUCKET, Store
from helpers.reviews import answers_of
from helpers.runs_in_stores import Jobs, files_of, objects_of, restore, results
from helpers.served import Served

import bloodcell
from bloodcell.caches import user_cache
from bloodcell.cli import main
from bloodcell.review.answers import FORMAT, as_json, run_identity
from bloodcell.review.planned import plan_identity, read_plan


@pytest.fixture
def url(
    store: Store, demanding_run: bloodcell.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """A run whose cells are to be looked at, in the store."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield restore(store, "run", files_of(demanding_run.folder))
    for name in objects_of(store, "run"):
        store.client.delete_object(Bucket=BUCKET, Key=f"run/{name}")
    assert list((user_cache() / "runs").glob("*/*")) == []


def invoke(*words: object, exit_status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == exit_status, result.output
    assert str(user_cache()) not in result.output
    return result


def test_verify_finds_a_run_good_and_an_object_that_was_changed(url: str, store: Store) -> None:
    assert "NOT GOOD" not in invoke("verify", url).stdout
    part = objects_of(store, "run")["cells/part-00000.parquet"]
    store.put("run/patients.csv", b"not looked at")
    store.put("run/cells/part-00000.parquet", part[:-20] + bytes(20))
    told = invoke("verify", url, exit_status=1)
    assert f"NOT GOOD: {url}/cells/part-00000.parquet" in told.stdout
    assert f"{url} is not whole, was changed, or is of another version" in told.stderr


def test_report_evaluate_and_export_put_what_they_write(
    url: str, store: Store, smears: Path, demanding_run: bloodcell.Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(demanding_run.folder, folder)
    # A picture of an evaluation before, which this one does not draw, goes from the store, too.
    store.put("run/evaluation/groups.svg", b"of groups")
    for run in (folder, url):
        invoke("evaluate", run, "--labels", smears / "labels.csv")
        invoke("export", run, "--to", "csv")
        invoke("export", run, "--to", "fhir")
        told = invoke("report", run)
    assert told.stdout == f"report  {url}/report/index.html\n"
    there, here = objects_of(store, "run"), files_of(folder)
    assert there.keys() == here.keys()
    dated = {name for name in here if name.startswith("export/fhir/")}
    assert {name for name in here if here[name] != there[name]} <= dated


def test_export_elsewhere_writes_nothing_to_the_store(
    url: str, store: Store, tmp_path: Path
) -> None:
    store.proxy.requests.clear()
    invoke("export", url, "--to", "csv", "--out", tmp_path / "patients.csv")
    assert (tmp_path / "patients.csv").exists()
    assert store.proxy.requests["put"] == 0


def test_a_review_is_planned_and_applied(
    url: str, store: Store, demanding_run: bloodcell.Run, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(demanding_run.folder, folder)
    first = read_plan(demanding_run).to_pylist()[0]
    name = first["patient"]
    called = demanding_run.cells_at([first["row"]], ["class"])[first["row"]]["class"]
    answers = {
        "format": FORMAT,
        "run": run_identity(demanding_run),
        "plan": plan_identity(demanding_run),
        "reviewer": "A",
        "patients": {
            name: {
                "answers": [{"row": first["row"], "class": called}],
                "sign": False,
                "comment": "",
            }
        },
    }
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    for run in (folder, url):
        invoke("review", "apply", run, tmp_path / "answers.json", "--reviewer", "A")
        told = invoke("review", "plan", run, "--patient", name)
    assert f"plan: {url}/review/plan.parquet" in told.stdout
    there, here = objects_of(store, "run"), files_of(folder)
    assert there.keys() == here.keys()
    in_review = [one for one in here if one.startswith("review/")]
    assert len(in_review) > 4
    assert all(here[one] == there[one] for one in in_review)
    assert "NOT GOOD" not in invoke("verify", url).stdout


def test_a_review_is_served_and_each_answer_is_in_the_store(
    url: str, store: Store, demanding_run: bloodcell.Run
) -> None:
    patient = demanding_run.patients["patient"][0].as_py()
    answers = replace(answers_of(demanding_run, lambda _row: "monocyte", [patient]), reviewer="A")
    served = Served(replace(demanding_run, folder=url))  # type: ignore[arg-type]
    try:
        reply, said = served.ask("POST", "answers", as_json(answers).encode(), X_Token=served.token)
        assert reply.status == 200, said
        assert "review/answers/001-A.json" in objects_of(store, "run")
        assert served.ended()[0] == 0
    finally:
        served.kill()
    assert ".holder" not in objects_of(store, "run")
    assert "NOT GOOD" not in invoke("verify", url).stdout


def test_a_run_that_is_not_there_is_one_line(store: Store) -> None:
    assert store
    told = invoke("report", "s3://cells/nowhere", exit_status=1).stderr
    assert told == "bloodcell: s3://cells/nowhere is not a run folder: it has no run.json\n"
    told = invoke("verify", "s3://no-such-bucket/run", exit_status=1).stderr
    assert "the store has no bucket no-such-bucket" in told
    assert told.count("\n") == 1


def test_runs_in_a_store_are_merged_there(store: Store, smears: Path, tmp_path: Path) -> None:
    whole = Jobs(smears, tmp_path / "whole").score(tmp_path / "whole" / "run")
    urls = []
    for patient in sorted(path for path in smears.iterdir() if path.is_dir()):
        urls.append(f"s3://{BUCKET}/patients/{patient.name}")
        Jobs(patient, tmp_path / patient.name).score(urls[-1])
    invoke("merge", *reversed(urls), "--out", f"s3://{BUCKET}/merged")
    assert results(objects_of(store, "merged")) == results(files_of(whole.folder))


def test_python_may_merge_there_too(run: bloodcell.Run, store: Store) -> None:
    with pytest.raises(bloodcell.RunError, match="two runs or more are merged, 1 given"):
        bloodcell.merge([run.folder], f"s3://{BUCKET}/merged-by-python")
    assert objects_of(store, "merged-by-python") == {}
