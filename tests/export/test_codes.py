"""The map of LOINC codes: the shipped one, and what is refused of a site's own."""

from pathlib import Path

import pytest

import bloodcell
from bloodcell.errors import InputError
from bloodcell.export import export
from bloodcell.export.codes import SHIPPED, read_codes
from bloodcell.scheme import load_scheme, scheme_names


@pytest.mark.parametrize("scheme", scheme_names())
@pytest.mark.parametrize("specimen", ["blood", "marrow"])
def test_the_shipped_map_names_classes_that_there_are(specimen: str, scheme: str) -> None:
    codes = read_codes(SHIPPED, specimen, load_scheme(scheme))  # type: ignore[arg-type]
    names = {f"n_{code}" for code in load_scheme(scheme).codes}
    assert set(codes.results) - {"blast_percent"} <= names
    assert len(set(codes.results.values())) == len(codes.results)


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ('"26446-5"', '"709-6"', "709-6 is of a manual count"),
        ('"26446-5"', '"26446-6"', "check digit does not fit"),
        ('"26446-5"', "26446", "26446 is no LOINC code"),
        ("[blood.classes]", "[blood.class]", "'classes'"),
        ("[local]", "[loca", "not valid TOML"),
        ("fhir_system", "fhir_sys", "'fhir_system'"),
        ("blast_percent", "blast_share", r"unknown entries \['blast_share'\] at \[blood\]"),
        ("[marrow]", "[bone]", r"unknown entries \['bone'\] at the top"),
        ("jhu18/monocyte", "jhu18/monocytes", r"\['monocytes'\] are no classes of jhu18"),
    ],
)
def test_a_map_that_is_wrong_is_refused(
    run: bloodcell.Run, tmp_path: Path, was: str, becomes: str, message: str
) -> None:
    own = tmp_path / "loinc.toml"
    own.write_text(SHIPPED.read_text().replace(was, becomes, 1))
    with pytest.raises(InputError, match=message) as refused:
        export(run, "fhir", tmp_path / "out", own)
    assert str(own) in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_sites_own_map_is_used(run: bloodcell.Run, tmp_path: Path) -> None:
    own = tmp_path / "loinc.toml"
    own.write_text(SHIPPED.read_text().replace('blast_percent = "26446-5"', ""))
    export(run, "hl7", tmp_path / "out", own)
    assert all(b"26446-5" not in file.read_bytes() for file in (tmp_path / "out").iterdir())
