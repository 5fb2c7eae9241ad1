"""The texts that Triton reads of each model: ``config.pbtxt``, by its ``model_config.proto``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import jinja2

from bloodcell import __version__
from bloodcell.engine.staining import SAMPLES_PER_SIDE
from bloodcell.model import Model

Device: TypeAlias = Literal["cpu", "gpu"]
_HERE = Path(__file__).parent

DECODERS = 4
"""Images, or requests, that are decoded side by side; to be changed in the text where it runs."""
QUEUE_DELAY_MS = 2
"""How long the network waits for cells to fill its batch."""


@dataclass(frozen=True)
class Options:
    """How a repository is to run its model."""

    device: Device = "cpu"
    tensorrt: bool = False
    """On a GPU: whether ONNX Runtime gives the network to TensorRT."""
    batch_size: int = 64
    """Most cells of a request, and of a batch of the network."""


def config_texts(model: Model, options: Options, warmup_bytes: int) -> dict[str, str]:
    """The configuration of each model of the repository, by the name of its folder.

    ``warmup_bytes``: size of the image that the decoder is warmed up with.
    """
    decode, network = f"{model.name}-decode", f"{model.name}-network"
    facts = {
        "options": options,
        "ensemble": model.name,
        "decode": decode,
        "network": network,
        "input_px": model.preprocessing.input_px,
        "class_count": len(model.scheme.classes),
        "samples_per_side": SAMPLES_PER_SIDE,
        "warmup_bytes": warmup_bytes,
        "decoders": DECODERS,
        "queue_delay_us": 1000 * QUEUE_DELAY_MS,
        "made_of": {
            "bloodcell": __version__,
            "model_version": model.version,
            "weights_sha256": model.weights_sha256,
            "card_sha256": model.card_sha256,
            "scheme": model.scheme.name,
        },
    }
    templates = _templates()
    return {
        name: templates.get_template(f"{what}.pbtxt.jinja").render(facts)
        for name, what in ((decode, "decode"), (network, "network"), (model.name, "ensemble"))
    }


def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
    )
    # A text-format string takes every escape of JSON's.
    templates.filters["quoted"] = json.dumps
    return templates
