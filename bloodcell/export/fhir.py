"""FHIR R4: a transaction Bundle a patient, of a DiagnosticReport, its Observations and the Device.

Identifiers are functions of run and patient: a second export, once the patient is signed,
replaces on a server what the first one put there.
"""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from bloodcell.bands import BAND_TEXTS
from bloodcell.export.codes import Codes
from bloodcell.export.results import PERCENT, RESEARCH_USE, PatientResults, Result
from bloodcell.run import Run
from bloodcell.run_record import RunRecord

SUFFIX = ".json"

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
_HAEMATOLOGY = {"system": f"{_TERMINOLOGY}/v2-0074", "code": "HM"}
_LABORATORY = {"system": f"{_TERMINOLOGY}/observation-category", "code": "laboratory"}

Resource = dict[str, Any]


def content(run: Run, codes: Codes, patient: PatientResults) -> bytes:
    """The Bundle of one patient, as JSON in UTF-8."""
    made = _Resources(run.record, codes, patient)
    text = json.dumps(made.bundle(), ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


class _Resources:
    """Of one patient."""

    def __init__(self, record: RunRecord, codes: Codes, patient: PatientResults) -> None:
        self._record, self._codes, self._patient = record, codes, patient
        self._device = _device_of(record)

    def bundle(self) -> Resource:
        observations = [self._observation(result) for result in self._patient.results]
        panel = self._panel(observations)
        entries = [self._report([panel, *observations]), panel, *observations, self._device]
        return {
            "resourceType": "Bundle",
            "id": self._id("Bundle"),
            "type": "transaction",
            "timestamp": self._patient.issued,
            "entry": [_entry(resource) for resource in entries],
        }

    def _report(self, results: list[Resource]) -> Resource:
        report = {
            "resourceType": "DiagnosticReport",
            "id": self._id("DiagnosticReport"),
            "status": self._patient.status,
            "category": [{"coding": [_HAEMATOLOGY]}],
            "code": self._code("report", "Leukocyte differential", self._codes.report),
            "subject": self._subject(),
            "issued": self._patient.issued,
            "result": [_reference(one) for one in results],
            "conclusion": " ".join(self._patient.notes),
        }
        if self._patient.signed_by:
            report["resultsInterpreter"] = [{"display": name} for name in self._patient.signed_by]
        return report

    def _panel(self, members: list[Resource]) -> Resource:
        text = "Leukocyte differential"
        return self._basic("differential", self._code("differential", text, self._codes.report)) | {
            "hasMember": [_reference(one) for one in members],
            "component": [
                self._component("denominator", "Cells in the denominator")
                | {"valueInteger": self._patient.denominator}
            ],
        }

    def _observation(self, result: Result) -> Resource:
        code = self._code(result.code, result.text, self._codes.results.get(result.code))
        observation = self._basic(result.code, code) | {"method": {"text": result.method}}
        if result.value is None:
            absent = {"system": f"{_TERMINOLOGY}/data-absent-reason", "code": "not-performed"}
            observation["dataAbsentReason"] = {"coding": [absent], "text": result.why_not}
        else:
            observation["valueQuantity"] = _quantity(result.value, result.unit)
        observation["component"] = list(self._components(result))
        return observation

    def _components(self, result: Result) -> Iterable[Resource]:
        for name, limit in (("low", result.low), ("high", result.high)):
            if limit is not None:
                text = f"95 % interval, {name}"
                quantity = {"valueQuantity": _quantity(limit, PERCENT)}
                yield self._component(f"{result.code}_{name}", text) | quantity
        for band, chance in result.bands.items():
            text = f"Probability of a true share of {BAND_TEXTS[band]}"
            yield self._component(band, text) | {"valueQuantity": _quantity(chance, "1")}
        if result.cells is not None:
            yield self._component("cells", "Cells") | {"valueInteger": result.cells}
        yield self._component("denominator", "Cells in the denominator") | {
            "valueInteger": result.denominator
        }

    def _basic(self, code: str, coded: Resource) -> Resource:
        return {
            "resourceType": "Observation",
            "id": self._id(code),
            "status": self._patient.status,
            "category": [{"coding": [_LABORATORY]}],
            "code": coded,
            "subject": self._subject(),
            "issued": self._patient.issued,
            "device": _reference(self._device),
        }

    def _component(self, code: str, text: str) -> Resource:
        return {"code": self._code(code, text, None)}

    def _code(self, code: str, text: str, loinc: str | None) -> Resource:
        own = {"system": self._codes.fhir_system, "code": code}
        of_loinc = [{"system": _LOINC, "code": loinc}] if loinc else []
        return {"coding": [*of_loinc, own], "text": text}

    def _subject(self) -> Resource:
        # What the run knows of a patient is a name, which may be a number of the site's own.
        return {"type": "Patient", "identifier": {"value": self._patient.patient}}

    def _id(self, code: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._patient.identity}\n{code}"))


def _device_of(record: RunRecord) -> Resource:
    """What scored the run: engine, model, and their digests."""
    job = record.job
    versions = {
        f"model {job.model}": job.model_version,
        "SHA-256 of the model": job.model_sha256,
        "SHA-256 of the model's card": job.card_sha256,
        "backend": f"{job.backend} on {job.device}",
        **job.versions,
    }
    return {
        "resourceType": "Device",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(versions, sort_keys=True))),
        "deviceName": [{"name": f"bloodcell, {job.model}", "type": "model-name"}],
        "version": [{"type": {"text": name}, "value": value} for name, value in versions.items()],
        "note": [{"text": RESEARCH_USE}],
    }


def _entry(resource: Resource) -> Resource:
    return {
        "fullUrl": f"urn:uuid:{resource['id']}",
        "resource": resource,
        "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
    }


def _reference(resource: Resource) -> Resource:
    return {"reference": f"urn:uuid:{resource['id']}"}


def _quantity(value: float, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": _UCUM, "code": unit}
