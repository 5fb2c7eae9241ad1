"""What blast shares are read as under WHO 2022 and ICC 2022, for the report."""

from dataclasses import dataclass

from bloodcell.scheme import Specimen


@dataclass(frozen=True)
class Reading:
    """One band of the table of patients under both classifications."""

    column: str
    name: str
    who: str
    icc: str


def readings(specimen: Specimen) -> tuple[Reading, ...]:
    """The four bands in ascending order.

    Khoury et al. 2022 (Leukemia 36:1703) and Arber et al. 2022 (Blood 140:1200): what the blasts
    of a myeloid neoplasm without defining genetics would be read as.
    """
    return _BLOOD if specimen == "blood" else _MARROW


_AML = Reading("band_20_up", "20 % and more", "AML", "AML")
_MARROW = (
    Reading("band_under_5", "under 5 %", "no increased blasts", "no excess blasts"),
    Reading("band_5_9", "5 to under 10 %", "MDS-IB1", "MDS-EB"),
    Reading("band_10_19", "10 to under 20 %", "MDS-IB2", "MDS/AML"),
    _AML,
)
_BLOOD = (
    Reading(
        "band_under_5",
        "under 5 %",
        "MDS-IB1 from 2 % on, below that no increased blasts",
        "MDS-EB from 2 % on, below that no excess blasts",
    ),
    Reading("band_5_9", "5 to under 10 %", "MDS-IB2", "MDS-EB"),
    Reading("band_10_19", "10 to under 20 %", "MDS-IB2", "MDS/AML"),
    _AML,
)
