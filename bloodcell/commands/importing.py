"""`bloodcell import`."""

from pathlib import Path
from typing import Any

import click

from bloodcell.command import Shown, command
from bloodcell.run_argument import NAME_OR_PATH, PathArgument

_PATH = PathArgument()


@click.command("import")
@click.argument("source", type=_PATH)
@click.option("--out", required=True, type=_PATH, help="Model folder to make.")
@click.option(
    "--description", required=True, metavar="NAME|TOML", type=NAME_OR_PATH,
    help="Pixels, merged outputs, label map, source and licence: one that comes with bloodcell, "
    "or your own file.",
)  # fmt: skip
@click.option(
    "--scheme",
    metavar="NAME|TOML",
    type=NAME_OR_PATH,
    help="Classes, unless the description names their scheme.",
)
@click.option("--architecture", metavar="NAME", help="What the weights of a state dict are of.")
@click.option(
    "--golden", type=_PATH, metavar="CSV",
    help="path and class of images of known cells: swapped outputs are refused.",
)  # fmt: skip
@command
def import_network(source: Path, out: Path, **options: Any) -> Shown:
    """Make a model folder of SOURCE: Keras, torch weights, safetensors or ONNX."""
    from bloodcell.importing import import_network as run_import
    from bloodcell.printed.values import print_pairs

    model = run_import(source, out, **options)
    made = model.card["import"]
    shown = {
        "model folder": str(out),
        "scheme": f"{model.scheme.name}, {len(model.scheme.classes)} classes",
        "format": made["format"],
        "largest difference from it": made["largest_difference"],
        "label map": {c.code: c.name for c in model.scheme.classes},
    }
    named = ", ".join(f"{place} {c.code}" for place, c in enumerate(model.scheme.classes))
    told = {name: shown[name] for name in ("model folder", "scheme", "format")} | {
        "differs from it by": ", ".join(
            f"{value:.1e} ({what})"
            for what, value in made["largest_difference"].items()
            if what != "images"
        ),
        "outputs are": named,
    }
    return Shown(
        shown,
        lambda: print_pairs(told),
        warnings=["the model has no error model: shares are counted as called, not adjusted"],
    )
