"""What blast shares are read as under WHO 2022 and ICC 2022, for the report."""

from dataclasses import dataclass

from bloodcell.bands import BAND_TEXTS
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
    read_as = zip(BAND_TEXTS.items(), _READ_AS[specimen], strict=True)
    return tuple(Reading(*band, *words) for band, words in read_as)


_READ_AS = {
    "marrow": (
        ("no increased blasts", "no excess blasts"),
        ("MDS-IB1", "MDS-EB"),
        ("MDS-IB2", "MDS/AML"),
        ("AML", "AML"),
    ),
    "blood": (
        (
            "MDS-IB1 from 2 % on, below that no increased blasts",
            "MDS-EB from 2 % on, below that no excess blasts",
        ),
        ("MDS-IB2", "MDS-EB"),
        ("MDS-IB2", "MDS/AML"),
        ("AML", "AML"),
    ),
}
"""Of each band, under WHO 2022 and ICC 2022."""
