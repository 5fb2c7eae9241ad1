"""HL7 v2: what hl7apy takes for a strict ORU^R01, and every number that of the run's own table."""

import re
from pathlib import Path
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

import bloodcell
from bloodcell.export import export

_MEANT = {"F": "|", "S": "^", "R": "~", "E": "\\", "T": "&"}


def unescaped(text: str) -> str:
    # hl7apy knows no hexadecimal escapes and escapes their backslashes once more.
    text = re.sub(r"\\E\\(X[0-9A-F]+)\\E\\", r"\\\1\\", text)
    return re.sub(
        r"\\(?:([FSRET])|X([0-9A-F]+))\\",
        lambda one: _MEANT[one[1]] if one[1] else bytes.fromhex(one[2]).decode(),
        text,
    )


def messages(run: bloodcell.Run, out: Path) -> dict[str, Any]:
    """By the name of the patient; each validated."""
    read = {}
    for file in export(run, "hl7", out).iterdir():
        message = parse_message(
            file.read_bytes().decode("utf-8"), validation_level=VALIDATION_LEVEL.STRICT
        )
        message.validate()
        patient = message.oru_r01_patient_result.oru_r01_patient.pid.pid_3.pid_3_1.value
        read[unescaped(patient)] = message
    return read


def order(message: Any) -> Any:
    return message.oru_r01_patient_result.oru_r01_order_observation


def observed(message: Any) -> dict[str, Any]:
    """OBX by bloodcell's own code: of the second triplet where the first is a LOINC code."""
    all_obx = [one.obx for one in order(message).oru_r01_observation]
    return {(obx.obx_3.obx_3_4.value or obx.obx_3.obx_3_1.value): obx for obx in all_obx}


@pytest.fixture(scope="module")
def read(hostile_run: bloodcell.Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return messages(hostile_run, tmp_path_factory.mktemp("export") / "hl7")


def test_every_patient_has_a_valid_message_with_the_name_as_it_is(
    hostile_run: bloodcell.Run, read: dict[str, Any]
) -> None:
    assert sorted(read) == hostile_run.patients["patient"].to_pylist()


def test_every_number_is_that_of_the_table(
    hostile_run: bloodcell.Run, read: dict[str, Any]
) -> None:
    for row in hostile_run.patients.to_pylist():
        values = {code: obx.obx_5.value for code, obx in observed(read[row["patient"]]).items()}
        assert int(values["denominator"]) == row["denominator"]
        for share in ("blast_percent", "blast_percent_naive"):
            if row[share] is not None:
                assert float(values[share]) == pytest.approx(row[share], abs=5e-5)
                expected = f"^{row[f'{share}_low']:.4f}^-^{row[f'{share}_high']:.4f}"
                assert values[f"{share}_interval"] == expected
        for name in [name for name in row if name.startswith("n_") and row["denominator"]]:
            assert int(values[f"{name}_cells"]) == row[name]
        for name in [name for name in row if name.startswith("band_") and row[name] is not None]:
            chance = float(values[f"blast_percent_{name}"])
            assert chance == pytest.approx(100 * row[name], abs=5e-5)


def test_what_nobody_signed_is_preliminary_and_for_training(read: dict[str, Any]) -> None:
    message = read["=1+1"]
    assert message.msh.msh_11.value == "T"
    assert order(message).obr.obr_25.value == "P"
    assert order(message).obr.obr_32.value == ""
    assert {obx.obx_11.value for obx in observed(message).values()} == {"P"}
    assert "Research use only" in order(message).nte[0].nte_3.value


def test_a_share_that_is_not_there_has_its_reason(read: dict[str, Any]) -> None:
    message = read["none left"]
    share = observed(message)["blast_percent"]
    assert (share.obx_5.value, share.obx_11.value) == ("", "X")
    notes = [one.nte.nte_3.value for one in order(message).oru_r01_observation if one.nte]
    assert "no image could be scored" in notes


def test_blasts_have_the_code_without_a_method_and_say_the_method(read: dict[str, Any]) -> None:
    blasts = observed(read["=1+1"])["blast_percent"]
    assert (blasts.obx_3.obx_3_1.value, blasts.obx_3.obx_3_3.value) == ("26446-5", "LN")
    assert "image classification" in blasts.obx_17.obx_17_2.value
    assert blasts.obx_6.obx_6_1.value == "%"
