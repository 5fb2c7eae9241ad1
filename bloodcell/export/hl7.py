r"""HL7 v2.5.1: an ORU^R01 message a patient, in UTF-8.

Encoding characters are the usual ``|^~\&``; those that a text has, and control characters, are
escaped (chapter 2.7). MSH-11 is T: what is for research alone is not for a patient's chart.
"""

import re
import uuid
from collections.abc import Iterator
from datetime import datetime

from bloodcell.bands import BAND_TEXTS, share_text
from bloodcell.export.codes import Codes
from bloodcell.export.results import PERCENT, PatientResults, Result
from bloodcell.run import Run
from bloodcell.run_record import Job

SUFFIX = ".hl7"

_STATUS = {"preliminary": "P", "final": "F", "corrected": "C"}
"""Of OBR-25 and OBX-11 (tables 0123 and 0085)."""

_CANNOT_BE_OBTAINED = "X"
_NAMES = {"|": "F", "^": "S", "~": "R", "\\": "E", "&": "T"}
_TO_ESCAPE = re.compile(r"[|^~\\&\x00-\x1f\x7f-\x9f\u2028\u2029]")


def content(run: Run, codes: Codes, patient: PatientResults) -> bytes:
    """The message of one patient; segments end with a carriage return."""
    segments = _Message(run, codes, patient).segments()
    return "".join(f"{segment}\r" for segment in segments).encode()


def escaped(text: str) -> str:
    """``text`` as a field may hold it."""
    return _TO_ESCAPE.sub(lambda one: f"\\{_escape(one[0])}\\", text)


def _escape(character: str) -> str:
    return _NAMES.get(character) or "X" + character.encode().hex().upper()


class _Message:
    """Of one patient."""

    def __init__(self, run: Run, codes: Codes, patient: PatientResults) -> None:
        self._job: Job = run.record.job
        self._codes, self._patient = codes, patient
        self._order = uuid.uuid5(uuid.NAMESPACE_OID, patient.identity).hex[:22]
        """Filler's number of the order: as many characters as a number of v2 may have."""
        self._time = datetime.fromisoformat(patient.issued).strftime("%Y%m%d%H%M%S%z")
        self._status = _STATUS[patient.status]

    def segments(self) -> Iterator[str]:
        report = self._code("differential", "Leukocyte differential", self._codes.report)
        # A message that says what is pending is another one than that of when it was signed.
        said = f"{self._order} {self._time} {self._patient.pending}".rstrip()
        control = uuid.uuid5(uuid.NAMESPACE_OID, said).hex[:20]
        yield (
            rf"MSH|^~\&|bloodcell||||{self._time}||ORU^R01^ORU_R01|{control}|T|2.5.1||||||"
            "UNICODE UTF-8"
        )
        # A name is required; type U says that none is given.
        yield f"PID|1||{escaped(self._patient.patient)}||^^^^^^U"
        signed_by = "~".join(f"&{escaped(name)}" for name in self._patient.signed_by)
        yield _segment(
            "OBR", {1: "1", 3: self._order, 4: report, 22: self._time, 24: "HM"}
            | {25: self._status, 32: signed_by},
        )  # fmt: skip
        for number, note in enumerate(self._patient.notes, start=1):
            yield f"NTE|{number}|L|{escaped(note)}"
        yield from self._observations()

    def _observations(self) -> Iterator[str]:
        named = self._code("denominator", "Cells in the denominator")
        yield _segment("OBX", {1: "1"} | self._obx("NM", named, str(self._patient.denominator)))
        number = 1
        for result in self._patient.results:
            for fields in self._fields(result):
                number += 1
                yield _segment("OBX", {1: str(number)} | fields)
            if result.why_not:
                yield f"NTE|1|L|{escaped(result.why_not)}"

    def _fields(self, result: Result) -> Iterator[dict[int, str]]:
        """Fields of each OBX by number, from the second on: the value, then what belongs to it."""
        loinc = self._codes.results.get(result.code)
        named = self._code(result.code, result.text, loinc)
        if result.value is None:
            yield self._obx("NM", named, "", "", result) | {11: _CANNOT_BE_OBTAINED}
            return
        yield self._obx("NM", named, _number(result.value), result.unit, result)
        if result.low is not None and result.high is not None:
            interval = f"^{_number(result.low)}^-^{_number(result.high)}"
            named = self._code(f"{result.code}_interval", f"{result.text}, 95 % interval")
            yield self._obx("SN", named, interval, PERCENT, result)
        for band, chance in result.bands.items():
            text = f"{result.text}, probability of a true share of {BAND_TEXTS[band]}"
            named = self._code(f"{result.code}_{band}", text)
            yield self._obx("NM", named, _number(100 * chance), PERCENT, result)
        if result.cells is not None:
            named = self._code(f"{result.code}_cells", f"{result.text}, cells")
            yield self._obx("NM", named, str(result.cells), result=result)
        if result.denominator != self._patient.denominator:
            text = f"{result.text}, cells in the denominator"
            named = self._code(f"{result.code}_denominator", text)
            yield self._obx("NM", named, str(result.denominator), result=result)

    def _obx(
        self, kind: str, named: str, value: str, unit: str = "", result: Result | None = None
    ) -> dict[int, str]:
        job = self._job
        model = escaped(f"{job.model} {job.model_version}, SHA-256 {job.model_sha256}")
        return {
            2: kind,
            3: named,
            5: value,
            6: f"{unit}^^UCUM" if unit else "",
            11: self._status,
            17: f"^{escaped(result.method)}" if result else "",
            18: f"{model}^bloodcell {job.versions.get('bloodcell', '')}",
            19: self._time,
        }

    def _code(self, code: str, text: str, loinc: str | None = None) -> str:
        own = f"{escaped(code)}^{escaped(text)}^{escaped(self._codes.hl7_system)}"
        return f"{loinc}^{escaped(text)}^LN^{own}" if loinc else own


def _segment(name: str, fields: dict[int, str]) -> str:
    """A segment of ``fields`` by number; those between are empty."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def _number(value: float) -> str:
    """To four decimals where that says the same: a number of v2 has at most 16 characters."""
    return share_text(value, digits=4)[:16]
