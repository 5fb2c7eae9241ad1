"""FHIR: what `fhir.resources` takes for R4, and every number that of the run's own table."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

import bloodcell
from bloodcell.export import export


def bundles(run: bloodcell.Run, out: Path) -> dict[str, Bundle]:
    """By the name of the patient; each validated."""
    files = export(run, "fhir", out).iterdir()
    read = [Bundle.model_validate_json(file.read_text("utf-8")) for file in files]
    return {bundle.entry[0].resource.subject.identifier.value: bundle for bundle in read}


def observations(bundle: Bundle) -> dict[str, Any]:
    """By bloodcell's own code."""
    resources = [entry.resource for entry in bundle.entry]
    return {
        resource.code.coding[-1].code: resource
        for resource in resources
        if resource.get_resource_type() == "Observation"
    }


def components(observation: Any) -> dict[str, Any]:
    return {
        one.code.coding[-1].code: one.valueInteger
        if one.valueQuantity is None
        else float(one.valueQuantity.value)
        for one in observation.component
    }


@pytest.fixture(scope="module")
def read(hostile_run: bloodcell.Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    return bundles(hostile_run, tmp_path_factory.mktemp("export") / "fhir")


def test_every_patient_has_a_valid_bundle(
    hostile_run: bloodcell.Run, read: dict[str, Bundle]
) -> None:
    assert sorted(read) == hostile_run.patients["patient"].to_pylist()


def test_every_number_is_that_of_the_table(
    hostile_run: bloodcell.Run, read: dict[str, Bundle]
) -> None:
    for row in hostile_run.patients.to_pylist():
        observed = observations(read[row["patient"]])
        assert components(observed["differential"]) == {"denominator": row["denominator"]}
        for share, cells in (("blast_percent", None), ("blast_percent_naive", "blasts_counted")):
            if row[share] is None:
                assert observed[share].valueQuantity is None
                continue
            assert float(observed[share].valueQuantity.value) == row[share]
            parts = components(observed[share])
            assert parts[f"{share}_low"] == row[f"{share}_low"]
            assert parts[f"{share}_high"] == row[f"{share}_high"]
            assert parts["denominator"] == row["denominator"]
            assert cells is None or parts["cells"] == row[cells]
        if row["blast_percent"] is not None:
            bands = {name: row[name] for name in row if name.startswith("band_")}
            assert bands.items() <= components(observed["blast_percent"]).items()
            assert len(bands) == 4
        classes = {name: row[name] for name in row if name.startswith("n_")}
        assert {name: components(observed[name])["cells"] for name in classes} == classes


def test_a_share_that_is_not_there_has_its_reason(read: dict[str, Bundle]) -> None:
    share = observations(read["none left"])["blast_percent"]
    assert share.dataAbsentReason.text == "no image could be scored"
    assert share.dataAbsentReason.coding[0].code == "not-performed"


def test_what_nobody_signed_is_preliminary_and_for_research(read: dict[str, Bundle]) -> None:
    report = read["=1+1"].entry[0].resource
    assert report.status == "preliminary"
    assert report.category[0].coding[0].code == "HM"
    assert "Research use only" in report.conclusion
    assert "Not reviewed by a person" in report.conclusion
    assert report.resultsInterpreter is None
    assert {one.status for one in observations(read["=1+1"]).values()} == {"preliminary"}


def test_blasts_have_the_code_without_a_method_and_say_the_method(
    read: dict[str, Bundle],
) -> None:
    blasts = observations(read["=1+1"])["blast_percent"]
    assert [coding.code for coding in blasts.code.coding] == ["26446-5", "blast_percent"]
    assert "image classification" in blasts.method.text


def test_the_report_refers_to_what_is_in_its_bundle(
    hostile_run: bloodcell.Run, read: dict[str, Bundle]
) -> None:
    entries = read["=1+1"].entry
    urls = {entry.fullUrl for entry in entries}
    report, panel, *observed, device = (entry.resource for entry in entries)
    assert {one.reference for one in report.result} == urls - {
        entries[0].fullUrl,
        entries[-1].fullUrl,
    }
    assert len(panel.hasMember) == len(observed)
    assert {one.device.reference for one in observed} == {entries[-1].fullUrl}
    versions = {one.type.text: one.value for one in device.version}
    assert versions["SHA-256 of the model"] == hostile_run.record.job.model_sha256
    assert versions["bloodcell"] == bloodcell.__version__


def test_a_second_export_replaces_the_first_with_the_same_bytes(
    run: bloodcell.Run, tmp_path: Path
) -> None:
    run = bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run"))
    shutil.rmtree(run.folder / "export", ignore_errors=True)
    before = {file.name: file.read_bytes() for file in export(run, "fhir").iterdir()}
    (run.folder / "export" / "fhir" / "of-another-time.json").write_text("{}")
    after = {file.name: file.read_bytes() for file in export(run, "fhir").iterdir()}
    assert after == before
    assert [path.name for path in (run.folder / "export").iterdir()] == ["fhir"]
    assert json.loads(before[min(before)])["type"] == "transaction"
