"""What `make gpu-check` scores, and with which networks; made by the first part that needs it."""

import os
from dataclasses import dataclass
from pathlib import Path

from gpu import networks

TREE = Path(__file__).resolve().parents[2]
CELLS = 16_384
IMAGE_PX = 400
"""Sides of drawn images, as the scanner of the LMU writes them."""
_DISTINCT = 180
_OF_ALL_KINDS = 256
INPUT_PX = 224
KEPT = TREE / "build" / "gpu-check"
SHIPPED, RESNEXT50 = "jhu18-resnext26-160", "resnext50_32x4d"
"""The first shipped network, whose architecture the default has too: so cards can be compared."""


@dataclass(frozen=True)
class Case:
    """What is scored end to end, and how; None: as `bloodcell score` does by itself."""

    network: str
    image_format: str = "jpeg"
    hardware_decoder: bool = False
    asked_batch: int | None = None


def model_of(name: str, folder: Path, input_px: int = INPUT_PX) -> str:
    """Its name, or its folder if it has random weights.

    That one needs torch to be made, and stays in the tree: a Python without torch, as TensorRT 8.6
    may want one, takes what another has made.
    """
    if name == SHIPPED:
        return name
    made = (KEPT if input_px == INPUT_PX else folder) / name
    if not (made / "card.toml").is_file():
        from bloodcell.bench.stand_in import write_random_model

        random = networks.random_resnext50(folder, input_px)
        weights = random.network.weights.read_bytes()
        write_random_model(made, random.name, weights, input_px, gmacs=random.gmacs)
    return str(made)


def images_of(image_format: str, folder: Path) -> tuple[Path, str]:
    """A manifest of ``CELLS`` rows: real JPEGs where there are some, else drawn images."""
    from bloodcell.bench.inputs import Drawn, repeated_input

    real = real_smears()
    source = real if image_format == "jpeg" and real.is_dir() else None
    manifest = folder / image_format / "manifest.parquet"
    if not manifest.is_file():
        drawn = Drawn(image_format, IMAGE_PX, min(CELLS, _DISTINCT))
        repeated_input(source, CELLS, manifest.parent, drawn=drawn)
    return manifest, "aml-apl/test" if source else f"drawn, {IMAGE_PX} x {IMAGE_PX} px"


def folders_of_images(folder: Path) -> dict[str, Path]:
    """Real JPEGs, where there are some, and drawn images of all kinds; by what they are."""
    from bloodcell.phantom import write_phantoms

    drawn, real = folder / "all-kinds", real_smears()
    if not drawn.is_dir():
        write_phantoms(drawn, patients=1, cells=_OF_ALL_KINDS, image_format="mixed")
    return ({"aml-apl/test": real} if real.is_dir() else {}) | {"drawn, of all kinds": drawn}


def real_smears() -> Path:
    beside = TREE.parent / "shared" / "data"
    return Path(os.environ.get("BLOODCELL_DATA", beside)) / "aml-apl" / "test"
